"""An offline run in one file: what its sync needs goes with it, wherever the file goes.

The client keeps copies of logged files in a staging area of the machine, and links to saved ones. Where the machine
does not outlive the run, a container, say, the run is packed when it is closed and put where its results go;
`wandb-track sync` takes the tar.
"""

from __future__ import annotations

import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from wandb_track_core._ledger import ADOPTED
from wandb_track_core._wandb._adopt import link

from . import _log
from ._artifacts import Artifact, artifact_of, is_file, md5_of, read_listing

END_SECONDS = 5.0
"""How long a closed run may take to have its last record on disk. It takes milliseconds."""
_END = 64 * 1024


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
        for name, path in _outside(folder, _logged(folder)):
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
        await_end(Path(folder), END_SECONDS)
    with tempfile.TemporaryDirectory(prefix="wandb-track-") as scratch:
        return put(pack(folder, Path(scratch, f"{Path(folder).name}.tar")))


def await_end(folder: Path, seconds: float) -> None:
    """Wait for the run's last record: the service writes it a moment after the client says that the run is closed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for log in folder.glob("run-*.wandb"):
            with suppress(_log.DamagedError):
                if any(kind == "exit" for kind, _ in _log.records(_log.entries(_log.contents_of(log), tail=_END))):
                    return
        time.sleep(0.002)


def keep_saved(folder: str | Path) -> None:
    """Bring what the user saved into the folder of a closed run, to which the client only links.

    Args:
        folder: The run's folder. What cannot be brought there stays a link.
    """
    for path in Path(folder, "files").rglob("*"):
        if path.is_symlink() and path.is_file():
            with suppress(OSError):
                beside = path.with_name(f"{path.name}.partial")
                link(path.resolve(), beside)
                beside.replace(path)


def _logged(folder: Path) -> Iterator[Artifact]:
    """The artifacts that a run logged."""
    for log in folder.glob("run-*.wandb"):
        with suppress(_log.DamagedError):
            for kind, contents in _log.records(_log.entries(_log.contents_of(log))):
                if kind == "artifact" and (artifact := artifact_of(contents)):
                    yield artifact


def _outside(folder: Path, artifacts: Iterable[Artifact]) -> Iterator[tuple[str, Path]]:
    """The files of artifacts outside the run's folder: the name that each gets in the tar, and its path."""
    found: dict[str, Path] = {}
    for artifact in artifacts:
        entries = artifact.entries
        listing = Path(artifact.manifest_file or folder)
        if listing.is_file():
            found[listing.name] = listing
            entries = list(read_listing(listing))
        found.update({md5_of(entry): Path(entry.local_path) for entry in entries if is_file(entry)})
    for name, path in found.items():
        if path.is_file() and not path.is_relative_to(folder) and not (folder / ADOPTED / name).exists():
            yield name, path
