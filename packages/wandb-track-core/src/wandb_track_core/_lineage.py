"""Records which artifacts a run produced and consumed, on the server and next to the run's files.

A run that does nothing (tracking is switched off) records nothing, and no folder is written for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _ledger
from ._wandb import folder_of

if TYPE_CHECKING:
    import wandb


def run_folder(run: wandb.Run) -> Path:
    """The folder of a run: its transaction log, its files, its lineage. It can be packed once the run is closed.

    Args:
        run: An open run. One that does nothing gives a temporary folder.
    """
    return Path(run.dir) if run.disabled else Path(folder_of(run))


def artifact_folder(run: wandb.Run, name: str) -> Path:
    """A new empty folder within the run's own, for the files of an artifact that is to be logged.

    What is in it is moved and synced with the run, so the wandb client need not copy it to its own staging area.

    Args:
        run: The run that is to log the artifact.
        name: The artifact's name.
    """
    parent = run_folder(run) / _ledger.ARTIFACTS
    parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        folder = parent / (f"{name}.{number}" if number else name)
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def log_artifact(
    run: wandb.Run, artifact: wandb.Artifact, aliases: Sequence[str] = (), folder: Path | None = None
) -> None:
    """Log an artifact as an output of the run.

    Args:
        run: The run that produced it.
        artifact: A draft artifact.
        aliases: Aliases beside "latest".
        folder: What `artifact_folder` gave, if the artifact's files are there.
    """
    if run.disabled:
        return
    run.log_artifact(artifact, aliases=["latest", *aliases])
    # The files may be in the folder that the run had before its service died.
    home = run_folder(run) if folder is None else folder.parents[2]
    _ledger.append(
        home,
        edge="output",
        name=artifact.name,
        type=artifact.type,
        aliases=["latest", *aliases],
        digest=artifact.digest,
        metadata=artifact.metadata,
        description=artifact.description,
        folder=None if folder is None else folder.relative_to(home).as_posix(),
        references=[
            {"path": path, "uri": entry.ref, "size": entry.size or 0, "digest": entry.digest}
            for path, entry in artifact.manifest.entries.items()
            if folder is None and entry.ref is not None
        ],
    )


def use_artifact(run: wandb.Run, name: str, alias: str, type: str | None = None) -> wandb.Artifact | None:
    """Declare a version of an artifact as an input of the run.

    Args:
        run: The run that reads it.
        name: The artifact's name; "entity/project/name" where it is not the run's own project.
        alias: The version, or an alias of exactly the version that is meant.
        type: The artifact's type, where it is known.

    Returns:
        The artifact; None where the run is offline (the edge is then kept beside the run) or does nothing.

    Raises:
        Exception: What the wandb client raises, such as where there is no such version.
    """
    if run.disabled:
        return None
    # Kept first: where the server does not answer, a later sync tells it.
    _ledger.append(run_folder(run), edge="input", name=name, alias=alias, type=type)
    return None if run.offline else run.use_artifact(f"{name}:{alias}")


def read_lineage(folder: str | Path) -> list[dict[str, Any]]:
    """The edges that are kept in a run's folder, in the order in which they were recorded.

    A line that cannot be read, as a killed process leaves it, is passed over.

    Args:
        folder: The run's folder, which `wandb sync` takes.
    """
    return _ledger.read(Path(folder))[0]
