"""An offline run in one file: what its sync needs goes with it, wherever the file goes.

The client keeps copies of logged files in a staging area of the machine, and links to saved ones. Where the machine
does not outlive the run, a container, say, the run is packed when it is closed and put where its results go;
`wandb-track sync` takes the tar.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import _log
from ._artifacts import Entry, read_artifact

if TYPE_CHECKING:
    import wandb

END_SECONDS = 5.0
"""How long a closed run may take to have its last record on disk. It takes milliseconds."""
_END = 64 * 1024
OURS = "wandb-track/artifacts/"
"""Within a run's folder: the files of artifacts that we logged."""
ADOPTED = "wandb-track/adopted/"
"""Within a run's folder or tar: files of artifacts that the user logged, each named by the MD5 of its contents."""


def pack(folder: str | Path, target: str | Path | None = None) -> Path:
    """Put an offline run and all that its sync needs into a tar.

    Call it after the run was closed. Files that are gone already are passed over; the sync names them. The client's
    logs about itself stay behind: no sync reads them, and with its debug switches they hold the API key.

    Args:
        folder: The run's folder, which `wandb sync` takes.
        target: The tar to write; None for one beside the folder, with its name.

    Returns:
        The tar.
    """
    folder = Path(folder).absolute()
    target = folder.with_name(f"{folder.name}.tar") if target is None else Path(target)
    partial = target.with_name(f"{target.name}.partial")
    with tarfile.open(partial, "w", dereference=True) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.parent != folder / "logs":
                tar.add(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
        for name, path in _outside(folder):
            tar.add(path, f"{folder.name}/{ADOPTED}{name}")
    partial.replace(target)
    return target


def store(folder: str | Path, put: Callable[[Path], str], *, is_closed: bool = True) -> str:
    """Pack an offline run and bring it to a place that outlives this machine.

    Args:
        folder: The folder of the run.
        put: Brings a tar there, and returns its address. The tar is deleted afterwards.
        is_closed: Whether the run was closed in this folder; otherwise its end is not waited for.

    Returns:
        The address.
    """
    if is_closed:
        _await_end(Path(folder))
    with tempfile.TemporaryDirectory(prefix="wandb-track-") as scratch:
        return put(pack(folder, Path(scratch, f"{Path(folder).name}.tar")))


def _await_end(folder: Path) -> None:
    """Wait for the run's last record: the service writes it a moment after the client says that the run is closed."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        for log in folder.glob("run-*.wandb"):
            with _log.opened(log) as data:
                if any(_log.kind_of(message)[0] == _log.EXIT for message in _log.entries(data, tail=_END)):
                    return
        time.sleep(0.01)


def adopt(folder: str | Path, artifact: wandb.Artifact) -> None:
    """Keep the files of a logged artifact in the run's folder, so that it can be moved without the staging area.

    What nobody can write to, as the client's own copies, is linked rather than copied where the disk allows it.

    Args:
        folder: The run's folder.
        artifact: The artifact, after it was logged.
    """
    folder = Path(folder).absolute()
    for path, entry in artifact.manifest.entries.items():
        source = Path(entry.local_path or folder)
        if entry.ref or source.is_relative_to(folder) or not source.is_file():
            continue
        target = folder / ADOPTED / Entry(str(path), entry.digest).md5
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if source.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _outside(folder: Path) -> Iterator[tuple[str, Path]]:
    """What a run's artifacts consist of and lies elsewhere: the name that it gets, and where it lies."""
    found: dict[str, Path] = {}
    for log in folder.glob("run-*.wandb"):
        with _log.opened(log) as data:
            for message in _log.entries(data):
                kind, contents = _log.kind_of(message)
                artifact = read_artifact(contents) if kind == _log.ARTIFACT else None
                if artifact is None:
                    continue
                entries = artifact.entries
                listing = Path(artifact.manifest_file or folder)
                if listing.is_file():
                    found[listing.name] = listing
                    entries = list(read_listing(listing))
                found.update({entry.md5: Path(entry.local_path) for entry in entries if entry.local_path})
    for name, path in found.items():
        if path.is_file() and not path.is_relative_to(folder) and not (folder / ADOPTED / name).exists():
            yield name, path


def read_listing(path: Path) -> Iterator[Entry]:
    """The entries of a very large artifact, which the client keeps in a file of their own."""
    with gzip.open(path, "rt") as lines:
        for item in map(json.loads, lines):
            yield Entry(
                item["path"], item["digest"], item.get("size", 0), item.get("local_path", ""), item.get("ref", "")
            )
