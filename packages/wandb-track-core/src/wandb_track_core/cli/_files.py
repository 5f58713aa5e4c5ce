"""Where the files of a run's artifacts lie now, after its folder was moved or packed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wandb_track_core._artifacts import Artifact, Entry
from wandb_track_core.offline import Run
from wandb_track_core.packing import ADOPTED, OURS, read_listing

from ._order import Unit

_MADE_BY_SYNC = {
    "config.yaml",
    "diff.patch",
    "output.log",
    "requirements.txt",
    "wandb-metadata.json",
    "wandb-summary.json",
}


def missing(unit: Unit) -> Iterator[str]:
    """What a run needs for its sync and does not have whole: a line for each."""
    for run in unit.fragments:
        yield from run.faults
        yield from _missing_files(run)
    # What a process that was killed did not get to write is gone; it is no reason to leave the rest where it is.
    if all(run.exit_code is not None for run in unit.fragments):
        yield from (f"artifact {name} is not in its log" for name in unwritten(unit))


def unwritten(unit: Unit) -> list[str]:
    """The artifacts that the run logged offline, and that are not in its log."""
    logged = {(artifact.name, artifact.digest) for run in unit.fragments for artifact in run.artifacts}
    edges = (edge for run in unit.fragments if not run.is_online for edge in run.edges)
    outputs = (edge for edge in edges if edge["edge"] == "output")
    return [edge["name"] for edge in outputs if (edge["name"], edge["digest"]) not in logged]


def _missing_files(run: Run) -> Iterator[str]:
    for artifact in run.artifacts:
        if artifact.manifest_file and manifest_file(run, artifact) is None:
            yield f"artifact {artifact.name}: {artifact.manifest_file}, the list of its files, is missing"
            continue
        for entry in entries(run, artifact):
            if entry.local_path and not entry.ref and locate(run, entry) is None:
                yield f"artifact {artifact.name}: {entry.path} ({entry.local_path}) is missing"
    for name in run.files:
        if not (set("*?[") & set(name) or name in _MADE_BY_SYNC) and _size(run, f"files/{name}") is None:
            yield f"file {name} ({run.place / 'files' / name}) is missing"


def entries(run: Run, artifact: Artifact) -> list[Entry]:
    """The entries of an artifact; those of very large ones stand in a file of their own."""
    path = manifest_file(run, artifact) if artifact.manifest_file else None
    if path is None or run.is_packed:
        return artifact.entries
    return list(read_listing(path))


def manifest_file(run: Run, artifact: Artifact) -> Path | None:
    """The file with the entries of a very large artifact; None where it is gone."""
    adopted = ADOPTED + Path(artifact.manifest_file).name
    if _size(run, adopted) is not None:
        return run.place / adopted
    path = Path(artifact.manifest_file)
    return path if path.is_file() else None


def locate(run: Run, entry: Entry) -> Path | None:
    """Where the contents of an artifact's file lie: in the run's folder, else where the client left them.

    Returns:
        The path, for a packed run as it will be in the folder; None where there is no file of the right size.
    """
    _, ours, tail = entry.local_path.partition(OURS)
    for inside in (ours + tail, ADOPTED + entry.md5):
        if inside and _size(run, inside) == entry.size:
            return run.place / inside
    path = Path(entry.local_path)
    return path if path.is_file() and path.stat().st_size == entry.size else None


def _size(run: Run, inside: str) -> int | None:
    if run.members is not None:
        return run.members.get(inside)
    path = run.place / inside
    return path.stat().st_size if path.is_file() else None
