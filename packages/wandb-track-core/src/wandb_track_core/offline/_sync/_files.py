"""Where the files of a run's artifacts are now, after its folder was moved or packed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from wandb_track_core._ledger import ADOPTED, ARTIFACTS
from wandb_track_core.offline._artifacts import is_file, md5_of, read_listing
from wandb_track_core.offline._fragments import Fragment
from wandb_track_core.offline._runs import OfflineRun

_MADE_BY_SYNC = {
    "config.yaml",
    "diff.patch",
    "output.log",
    "requirements.txt",
    "wandb-metadata.json",
    "wandb-summary.json",
}


def missing(run: OfflineRun) -> Iterator[str]:
    """What a run needs for its sync and does not have whole: a line for each."""
    for part in run.fragments:
        yield from part.faults
        yield from _missing_files(part)
    # What a process that was killed did not get to write is gone; it is no reason to leave the rest where it is.
    if all(part.exit_code is not None for part in run.fragments):
        yield from (f"artifact {name} is not in its log" for name in unwritten(run))


def unwritten(run: OfflineRun) -> list[str]:
    """The artifacts that the run logged offline, and that are not in its log."""
    logged = {(artifact.name, artifact.digest) for part in run.fragments for artifact in part.artifacts}
    edges = (edge for part in run.fragments if not part.is_online for edge in part.edges)
    outputs = (edge for edge in edges if edge["edge"] == "output")
    return [edge["name"] for edge in outputs if (edge["name"], edge["digest"]) not in logged]


def _missing_files(part: Fragment) -> Iterator[str]:
    for artifact in part.artifacts:
        entries = artifact.entries
        if artifact.manifest_file:
            listing = locate_listing(part, artifact.manifest_file)
            if listing is None:
                yield f"artifact {artifact.name}: {artifact.manifest_file}, the list of its files, is missing"
            elif not part.is_packed:
                entries = list(read_listing(listing))
        for entry in entries:
            if is_file(entry) and locate(part, entry) is None:
                yield f"artifact {artifact.name}: {entry.path} ({entry.local_path}) is missing"
    for name in part.files:
        if not (set("*?[") & set(name) or name in _MADE_BY_SYNC) and part.size_of(f"files/{name}") is None:
            yield f"file {name} ({part.place / 'files' / name}) is missing"


def locate_listing(part: Fragment, listing: str) -> Path | None:
    """The file with the entries of a very large artifact; None where it is gone."""
    adopted = ADOPTED + Path(listing).name
    if part.size_of(adopted) is not None:
        return part.place / adopted
    path = Path(listing)
    return path if path.is_file() else None


def locate(part: Fragment, entry: Any) -> Path | None:
    """Where the contents of an artifact's file are: in the run's folder, else where the client left them.

    Returns:
        The path, for a packed run as it will be in the folder; None where there is no file of the right size.
    """
    if not is_file(entry):
        return None
    _, ours, tail = entry.local_path.partition(ARTIFACTS)
    for inside in (ours + tail, ADOPTED + md5_of(entry)):
        if inside and ".." not in PurePosixPath(inside).parts and part.size_of(inside) == entry.size:
            return part.place / inside
    path = Path(entry.local_path)
    return path if path.is_file() and path.stat().st_size == entry.size else None
