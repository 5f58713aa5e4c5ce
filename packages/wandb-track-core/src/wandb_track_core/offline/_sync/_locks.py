"""Keeps syncs that run at the same time apart.

With `flock`, whose lock is handed to the process that uploads: it is held until that ends, even if this process is
killed. That is also why a sync needs Linux or macOS.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wandb_track_core._notify import notify
from wandb_track_core.errors import TrackError
from wandb_track_core.offline._fragments import Fragment, read_folder, read_tar

_LOCK = ".wandb-track-sync.lock"
_PREFIX = "wandb-track-sync-"
_ABANDONED_AFTER = 60.0
"""Seconds after which a working folder that nobody holds was left behind, rather than just made."""


@contextmanager
def locked(parts: list[Fragment]) -> Iterator[tuple[list[Fragment], list[int]]]:
    """Lock the folders that hold runs; if another sync works in one of them, wait until it has ended.

    The locks end with the processes that hold them, however they end.

    Yields:
        The fragments as they are now, and the locks' file descriptors.

    Raises:
        TrackError: A folder cannot be written to.
    """
    with ExitStack() as locks:
        held, has_waited = [], False
        # Resolved, so that a folder under two names is locked once, and all syncs lock in the same order.
        for folder in sorted({part.place.parent.resolve() for part in parts}):
            try:
                file = locks.enter_context((folder / _LOCK).open("a"))
            except OSError as error:
                raise TrackError(f"{folder}, which holds runs, cannot be written to: {error.strerror}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                notify(f"another sync works in {folder}: this one goes on when that has ended")
                fcntl.flock(file, fcntl.LOCK_EX)
                has_waited = True
            held.append(file.fileno())
        gone = [part for part in parts if not part.place.exists()]
        if gone:
            places = ", ".join(str(part.place) for part in gone)
            notify(f"no longer there, so another sync has probably brought it to the server and deleted it: {places}")
        if has_waited or gone:
            parts = [again for part in parts if part not in gone for again in _read_again(part)]
        yield parts, held


def _read_again(part: Fragment) -> Iterable[Fragment]:
    return read_tar(part.place, is_meant=True) if part.is_packed else [read_folder(part.place, part.log)]


@contextmanager
def working_folder() -> Iterator[tuple[Path, int]]:
    """A folder to work in and its lock; what syncs that were killed have left behind is deleted."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                with (left / "lock").open("a") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
    # After Ctrl-C the client's service may still write there.
    scratch = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
    with scratch as name, Path(name, "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Path(name), file.fileno()
