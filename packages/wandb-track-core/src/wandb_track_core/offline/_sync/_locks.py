"""Keeps syncs that run at the same time apart.

With `flock`, whose lock is handed to the process that uploads: it is held until that ends, even if this process is
killed. That is also why a sync needs Linux or macOS.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wandb_track_core.offline._runs import OfflineRun

_PREFIX = "wandb-track-sync-"
_ABANDONED_AFTER = 60.0
"""Seconds after which a working folder that nobody holds was left behind, rather than just made."""


def lock(run: OfflineRun, locks: ExitStack, *, wait: bool) -> list[int]:
    """Lock all of a run's folders, or none; the locks end with the processes that hold them, however they end.

    Returns:
        Their file descriptors.

    Raises:
        BlockingIOError: Another process has one of them, and `wait` is not set.
        FileNotFoundError: One of them is gone.
        OSError: A folder cannot be written to.
    """
    with ExitStack() as own:
        files = []
        for part in run.fragments:
            part.lock.parent.mkdir(exist_ok=True)
            files.append(own.enter_context(_locked(part.lock, wait=wait)))
            if not part.place.exists():
                part.lock.unlink(missing_ok=True)
                raise FileNotFoundError(part.place)
        locks.push(own.pop_all())
        return files


@contextmanager
def working_folder() -> Iterator[tuple[Path, int]]:
    """A folder to work in and its lock; what syncs that were killed have left behind is deleted."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                with _locked(left / "lock", wait=False):
                    shutil.rmtree(left, ignore_errors=True)
    # After Ctrl-C the client's service may still write there.
    scratch = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
    with scratch as name, _locked(Path(name, "lock"), wait=True) as held:
        yield Path(name), held


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[int]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file.fileno()
