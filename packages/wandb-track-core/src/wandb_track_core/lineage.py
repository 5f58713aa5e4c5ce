"""Which artifacts a run made and which it used: told to the client, and kept beside the run.

Beside the run lies what a sync needs even when the run's folder was moved: `wandb-track/artifacts/`, the files of
the artifacts that we logged; `wandb-track/adopted/`, files of others that an offline run of ours logged, each named
by the MD5 of its contents; and
`wandb-track/lineage.jsonl`, one JSON object a line, each with

- `format`: 1. It is raised when a reader of the older form would misread a line; further keys do not raise it;
- `edge`: "output" for an artifact that the run made, "input" for one that it used;
- `name`, `type`, `aliases`, `digest`: of the artifact; an input names by `alias` the version that it means.
  It holds `entity` and `project` where they are not the run's own;
- `folder`, for an output: where its files lie below the run's folder; `metadata` and `description`, as logged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._wandb import folder_of

if TYPE_CHECKING:
    import wandb

FORMAT = 1
_FOLDER = "wandb-track"


def run_folder(run: wandb.Run) -> Path:
    """The folder of a run: its transaction log, its files, its lineage. It can be packed once the run is closed.

    Args:
        run: An open run.
    """
    return Path(folder_of(run))


def artifact_folder(run: wandb.Run, name: str) -> Path:
    """A new empty folder within the run's own, for the files of an artifact that is to be logged.

    What lies there is moved and synced with the run, so the client need not copy it to its own staging area.

    Args:
        run: The run that is to log the artifact.
        name: The artifact's name.
    """
    parent = Path(folder_of(run), _FOLDER, "artifacts")
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
        run: The run that made it.
        artifact: A draft artifact.
        aliases: Aliases beside "latest".
        folder: What `artifact_folder` gave, if the artifact's files lie there.
    """
    run.log_artifact(artifact, aliases=["latest", *aliases])
    # The files may lie in the folder that the run had before its service died.
    home = run_folder(run) if folder is None else folder.parents[2]
    _keep(
        home,
        edge="output",
        name=artifact.name,
        type=artifact.type,
        aliases=["latest", *aliases],
        digest=artifact.digest,
        metadata=artifact.metadata,
        description=artifact.description,
        folder=None if folder is None else folder.relative_to(home).as_posix(),
    )


def use_artifact(run: wandb.Run, name: str, alias: str, type: str | None = None) -> wandb.Artifact | None:
    """Declare a version of an artifact as an input of the run.

    Args:
        run: The run that reads it.
        name: The artifact's name; "entity/project/name" where it is not the run's own project.
        alias: The version, or an alias of exactly the version that is meant.
        type: The artifact's type, where it is known.

    Returns:
        The artifact; None where the run is offline: the edge is then kept beside the run.

    Raises:
        Exception: What the client raises, such as where there is no such version.
    """
    # Kept first: where the server does not answer, a later sync tells it.
    _keep(run_folder(run), edge="input", name=name, alias=alias, type=type)
    return None if run.offline else run.use_artifact(f"{name}:{alias}")


def read_lineage(folder: str | Path) -> list[dict[str, Any]]:
    """The edges that are kept in a run's folder, in the order in which they were made.

    Args:
        folder: The run's folder, which `wandb sync` takes.
    """
    path = Path(folder, _FOLDER, "lineage.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _keep(home: Path, **edge: Any) -> None:
    path = home / _FOLDER / "lineage.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"format": FORMAT, **{key: value for key, value in edge.items() if value}}) + "\n")
