"""A value's contents: as the files of an artifact, and as a digest that tells whether two values are the same."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core.adapters import artifact_folder, legal_artifact_name
from wandb_track_serializers import METADATA_KEY, SerializerError, to_artifact

if TYPE_CHECKING:
    import wandb


def write(run: wandb.Run, name: str, value: Any, max_size: int | None) -> tuple[wandb.Artifact, Path]:
    """Write a variable's value into the run's folder, for an artifact that is logged later.

    Returns:
        The draft, and the folder of its files.

    Raises:
        SerializerError: It cannot be stored.
    """
    folder = artifact_folder(run, legal_artifact_name(name))
    try:
        return _draft(name, value, folder, max_size), folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def why_pickled(artifact: wandb.Artifact) -> list[str]:
    """A sentence for each part of a value that no other format keeps, as its manifest has it."""
    return [note for note in artifact.metadata[METADATA_KEY].get("notes", ()) if " was pickled: " in note]


def digest_of(name: str, value: Any) -> str | None:
    """A digest of what the serializers make of a value; None where they make nothing of it."""
    with tempfile.TemporaryDirectory(prefix="wandb-track-") as folder:
        try:
            return _draft(name, value, Path(folder, "value"), None).digest
        except SerializerError:
            return None


def _draft(name: str, value: Any, folder: Path, max_size: int | None) -> wandb.Artifact:
    logger = logging.getLogger("wandb_track_serializers")
    logger.addFilter(_nothing)  # what it reports is printed once, by the step that logs the value
    try:
        artifact = to_artifact(
            legal_artifact_name(name),
            value,
            datasets=True,
            models=True,
            others=True,
            directory=folder,
            max_size=max_size,
        )
    finally:
        logger.removeFilter(_nothing)
    if artifact is None:
        raise TypeError(f"{name} is of a base type, which becomes no artifact")
    return artifact


def _nothing(record: logging.LogRecord) -> bool:
    return False
