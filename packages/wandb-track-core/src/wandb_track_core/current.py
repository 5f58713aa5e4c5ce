"""The current run: of this context (thread of execution, asyncio task), else the process's only open one."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import NoCurrentRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import wandb


class Frame:
    """What is current inside one tracked task.

    Attributes:
        run: The task's run.
        names: What wandb's module-level names (`wandb.log`, `wandb.config`) mean in the task.
        outer: What was current before.
    """

    __slots__ = ("names", "outer", "run")

    def __init__(self, run: Any, names: Mapping[str, Any]) -> None:
        self.run = run
        self.names = dict(names)
        self.outer: Frame | None = None


_frame: ContextVar[Frame | None] = ContextVar("wandb_track_frame", default=None)
_open_frames: list[Frame] = []
_lock = threading.Lock()


def current_run() -> wandb.Run:
    """The run of the task that the caller is in.

    In a thread that the task started (threads inherit no context), it is the process's only open run.

    Returns:
        The task's `wandb.Run`; a `QuietRun`, which takes every call and does nothing, where tracking is
        switched off or failed and was told to stay out of the way.

    Raises:
        NoCurrentRunError: No tracked task is running, or several are and this thread belongs to none.
    """
    frame = current_frame()
    if frame is not None:
        run: wandb.Run = frame.run
        return run
    if _open_frames:
        raise NoCurrentRunError(
            f"current_run() was called in a thread without a task's context while {len(_open_frames)} runs are "
            "open: take the run in the task and hand it to the thread, or start the thread with "
            "contextvars.copy_context().run(...)"
        )
    raise NoCurrentRunError(
        "current_run() was called outside of a tracked task: call it below the decorated function, while that runs"
    )


def current_frame() -> Frame | None:
    """The frame of this context, else the only open one, else None."""
    frame = _frame.get()
    if frame is not None:
        return frame
    with _lock:
        return _open_frames[0] if len(_open_frames) == 1 else None


def push(frame: Frame) -> None:
    """Make a frame current in this context."""
    frame.outer = _frame.get()
    with _lock:
        _open_frames.append(frame)
    _frame.set(frame)


def pop(frame: Frame) -> None:
    """Make the innermost frame around this one current that is still open. Another context than `push` had will do."""
    with _lock:
        if frame in _open_frames:
            _open_frames.remove(frame)
        current = _frame.get()
        while current is not None and current not in _open_frames:
            current = current.outer
    _frame.set(current)
