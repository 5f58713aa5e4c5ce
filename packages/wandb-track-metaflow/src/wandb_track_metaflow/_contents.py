"""A value's contents: as the files of an artifact, and as a digest that tells whether two values are the same."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb


def write(run: wandb.Run, name: str, value: Any, max_size: int | None) -> tuple[wandb.Artifact, Path]:
    """Write a variable's value into the run's folder, for an artifact that is logged later.

    Returns:
        The draft, and the folder of its files.

    Raises:
        SerializerError: It cannot be stored.
    """
    from wandb_track_core.adapters import artifact_folder, legal_artifact_name

    folder = artifact_folder(run, legal_artifact_name(name))
    logger = logging.getLogger("wandb_track_serializers")
    logger.addFilter(_once)
    try:
        return _draft(name, value, folder, max_size), folder
    except BaseException:
        folder.rmdir()
        raise
    finally:
        logger.removeFilter(_once)


def _once(record: logging.LogRecord) -> bool:
    """That a library is missing concerns all variables of all steps: it is printed once a flow."""
    line = record.getMessage()
    if "pip install" not in line:
        return True
    from wandb_track_core.adapters import notify_once

    notify_once(f"{line}. Add it to the task's image or to @pypi", key=line.partition("pip install")[2])
    return False


def digest_of(name: str, value: Any) -> str | None:
    """A digest of what the serializers make of a value; None where they make nothing of it."""
    from wandb_track_serializers import SerializerError

    with tempfile.TemporaryDirectory(prefix="wandb-track-") as folder:
        try:
            return _draft(name, value, Path(folder, "value"), None).digest
        except SerializerError:
            return None


def _draft(name: str, value: Any, folder: Path, max_size: int | None) -> wandb.Artifact:
    from wandb_track_core.adapters import legal_artifact_name
    from wandb_track_serializers import to_artifact

    artifact = to_artifact(
        legal_artifact_name(name),
        value,
        datasets=True,
        models=True,
        others=True,
        directory=folder,
        max_size=max_size,
    )
    if artifact is None:
        raise TypeError(f"{name} is of a base type, which becomes no artifact")
    return artifact
