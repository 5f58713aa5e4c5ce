"""The files of wandb-track in a run's folder: their format and paths, reading and appending.

- `wandb-track/artifacts/`: the files of the artifacts that we logged.
- `wandb-track/adopted/`: the files of artifacts that the user logged, each named by the MD5 of its contents.
- `wandb-track/lineage.jsonl`: the ledger, one JSON object a line, each with
    - `format`: 1. It is raised when a reader of the older form would misread a line; further keys do not raise it.
    - `edge`: "output" for an artifact that the run produced, "input" for one that it consumed.
    - `name`, `type`, `aliases`, `digest` of the artifact. An input names by `alias` the version that is meant, and
      its name holds entity and project where they are not the run's own.
    - `folder`, for an output: where its files are, relative to the run's folder.
    - `references`, for an output that refers to files elsewhere: `path`, `uri`, `size` and `digest` of each.
    - `metadata` and `description`, as logged.
  The first line of a run that went on after its service process died has the edge "continues" and `step`, the first
  step of this part.

A run's folder may come from anywhere, so a line that does not fit is a fault and is not used.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

FORMAT = 1
LEDGER = "wandb-track/lineage.jsonl"
ARTIFACTS = "wandb-track/artifacts/"
ADOPTED = "wandb-track/adopted/"
_NEEDED: dict[str, tuple[str, ...]] = {"input": ("name", "alias"), "output": ("name", "digest"), "continues": ()}
"""What a line cannot do without, by the kind of its edge."""


def append(home: Path, **edge: Any) -> None:
    """Add an edge to the ledger of the run in a folder."""
    path = home / LEDGER
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"format": FORMAT, **{key: value for key, value in edge.items() if value}}) + "\n")


def read(home: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The edges and the faults of the ledger in a folder; both are empty where there is none."""
    try:
        return parse((home / LEDGER).read_bytes())
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{LEDGER} cannot be read: {error}"]


def parse(contents: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The edges in a ledger, and a fault for each line that cannot be used."""
    edges, faults = [], []
    for number, line in enumerate(contents.splitlines(keepends=True), 1):
        try:
            edges.append(_checked(json.loads(line)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            # A process that was killed leaves half a line at the end.
            if line.endswith(b"\n"):
                reason = f": {error}" if type(error) is ValueError else ""
                faults.append(f"line {number} of {LEDGER} cannot be read{reason}")
    return edges, faults


def _checked(edge: Any) -> dict[str, Any]:
    if edge["format"] != FORMAT:
        raise ValueError(f"its format is {edge['format']!r}: it was written by another version of wandb-track")
    texts = [edge[key] for key in _NEEDED[edge["edge"]]] + edge.get("aliases", [])
    texts += [edge.get("type", ""), edge.get("folder", "")]
    references = edge.get("references", [])
    texts += [one[key] for one in references for key in ("path", "uri", "digest")]
    numbers = [edge.get("step", 0), *(one["size"] for one in references)]
    if not (all(isinstance(text, str) for text in texts) and all(isinstance(number, int) for number in numbers)):
        raise TypeError(f"a value of an edge {edge['edge']!r} has the wrong type")
    folder = PurePosixPath(edge.get("folder", ""))
    if folder.is_absolute() or ".." in folder.parts:
        raise ValueError(f"folder {str(folder)!r} is outside of the run's folder")
    return dict(edge)
