"""A value's contents: as the files of an artifact, and as a digest that tells whether two values are the same."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb


def write(
    run: wandb.Run, name: str, value: Any, max_size: int | None, hear: Callable[[str], object]
) -> tuple[wandb.Artifact, Path]:
    """Write a variable's value into the run's folder, for an artifact that is logged later.

    Args:
        run: The step's run.
        name: The variable.
        value: Its value.
        max_size: The most bytes of its files.
        hear: Called with what the serializers report of it, rather than log.

    Returns:
        The draft, and the folder of its files.

    Raises:
        SerializerError: It cannot be stored.
    """
    from wandb_track_core.adapters import artifact_folder, legal_artifact_name

    folder = artifact_folder(run, legal_artifact_name(name))
    try:
        with _heard(hear):
            return _draft(name, value, folder, max_size), folder
    except BaseException:
        folder.rmdir()
        raise


@contextmanager
def _heard(hear: Callable[[str], object]) -> Iterator[None]:
    """Within this, what the serializers report of this thread's values goes to a function."""
    logger, thread = logging.getLogger("wandb_track_serializers"), get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread == thread:
            hear(record.getMessage())
        return record.thread != thread

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def digest_of(name: str, value: Any) -> str | None:
    """A digest of what the serializers make of a value; None where they make nothing of it."""
    from wandb_track_serializers import SerializerError

    with tempfile.TemporaryDirectory(prefix="wandb-track-") as folder, _heard(lambda line: None):
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
