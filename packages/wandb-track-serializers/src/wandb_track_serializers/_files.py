"""Hashing and verifying files, never through a symbolic link that somebody else could have put there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from ._manifest import FileEntry
from .errors import IntegrityError

T = TypeVar("T")
R = TypeVar("R")

_BLOCK = 1 << 20
_WORKERS = 8  # as many as the client itself uses for a folder
_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_plain(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; no link, and nothing that would make the opening wait.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, _PLAIN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return open(path, "rb", opener=lambda *_: descriptor)


def sizes(directory: Path) -> dict[str, int]:
    """The size of each file below a folder, by its path there.

    Raises:
        IntegrityError: There is a link or a device.
    """
    found = {}
    for path in directory.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            found[path.relative_to(directory).as_posix()] = status.st_size
        elif not stat.S_ISDIR(status.st_mode):
            raise IntegrityError(f"{path} is a link or a device: values hold files and folders alone")
    return dict(sorted(found.items()))


def hashed(directory: Path, paths: Iterable[str]) -> list[FileEntry]:
    """Hash files, each once, several at a time."""

    def entry(path: str) -> FileEntry:
        with open_plain(directory / path) as file:
            return FileEntry(path, md5(file), os.fstat(file.fileno()).st_size)

    return parallel(entry, list(paths))


def parallel(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for each item, several at a time: hashing and reading let other threads run."""
    if len(items) < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(function, items))


def md5(file: BinaryIO) -> str:
    """The hash of an open file from its beginning, hexadecimal; the file is left at its beginning."""
    import hashlib

    hasher = hashlib.md5(usedforsecurity=False)
    buffer = memoryview(bytearray(_BLOCK))
    file.seek(0)
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        hasher.update(buffer[:count])
    file.seek(0)
    return hasher.hexdigest()


def verify(directory: Path, files: Sequence[FileEntry], nothing_else: bool) -> BinaryIO | None:
    """Check that files are there, unchanged, and that the folder holds no link or device.

    Args:
        directory: The folder.
        files: What must lie there.
        nothing_else: Whether any other file is an error.

    Returns:
        The file, open, if there is exactly one: what is read from it is what was verified.

    Raises:
        IntegrityError: Something is not as it must be.
    """
    found = sizes(directory).keys()  # of no folder nothing: neither artifacts nor archives hold empty ones
    wanted = {file.path for file in files}
    if missing := wanted - found:
        raise IntegrityError(f"{_some(missing)} is missing below {directory}: download or copy the files again")
    if nothing_else and (extra := found - wanted):
        raise IntegrityError(f"{_some(extra)} below {directory} is not in the manifest: move it away")
    if len(files) == 1:
        handle = open_plain(directory / files[0].path)
        try:
            _compare(files[0], FileEntry(files[0].path, md5(handle), os.fstat(handle.fileno()).st_size))
        except BaseException:
            handle.close()
            raise
        return handle
    for file, actual in zip(files, hashed(directory, [file.path for file in files]), strict=True):
        _compare(file, actual)
    return None


def _compare(wanted: FileEntry, actual: FileEntry) -> None:
    if wanted != actual:
        raise IntegrityError(
            f"{wanted.path!r} has changed since it was written: it has {actual.size:,} bytes with md5 {actual.md5},"
            f" not {wanted.size:,} with {wanted.md5}; download or copy it again"
        )


def _some(paths: Iterable[str]) -> str:
    first, *others = sorted(paths)
    return repr(first) + (f" (and {len(others):,} more)" if others else "")
