"""The current run: of this context (thread of execution, asyncio task), else of the innermost open task."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import NoCurrentRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import wandb


class Frame:
    """What is current inside one tracked task.

    Attributes:
        run: The task's run, for the task's code.
        task_run: The same run, for the orchestrator's package: it stays open when the task's code finishes `run`.
        functions: What those functions of the `wandb` module mean in the task that would replace or end its run.
        assigned: What code in the task assigned to names of the `wandb` module.
        is_released: Whether the task's code called `finish()`.
        opened: The runs that the task's code opened and that `wandb.log` meant, the last one now.
        to_close: Every run that the task's code opened and has not finished.
        outer: What was current before.
        process: The process that the task runs in; a forked child has frames that are not its own.
    """

    __slots__ = ("assigned", "functions", "is_released", "opened", "outer", "process", "run", "task_run", "to_close")

    def __init__(self, run: Any, task_run: Any) -> None:
        self.run = run
        self.task_run = task_run
        self.functions: dict[str, Any] = {}
        self.assigned: dict[str, Any] = {}
        self.is_released = False
        self.opened: list[Any] = []
        self.to_close: list[Any] = []
        self.outer: Frame | None = None
        self.process = os.getpid()

    @property
    def current(self) -> Any:
        """The run that `wandb.log` means; None after a `finish()`."""
        return self.opened[-1] if self.opened else None if self.is_released else self.run

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Within this, the task's run is nobody's current run; afterwards it is what it was before."""
        before, self.is_released = self.is_released, True
        try:
            yield
        finally:
            self.is_released = before


_frame: ContextVar[Frame | None] = ContextVar("wandb_track_frame", default=None)
_open_frames: list[Frame] = []
_lock = threading.Lock()


def current_run() -> wandb.Run:
    """The run of the task that the caller is in.

    In a thread that the task started (threads inherit no context), it is the run of the innermost open task.

    Returns:
        The task's `wandb.Run`. If tracking is switched off, or failed with `on_error="warn"`, it is a `QuietRun`, which
        accepts every call and does nothing.

    Raises:
        NoCurrentRunError: No tracked task is running; or several are, none within the other, and this thread belongs
            to none.
    """
    run: wandb.Run = _innermost().run
    return run


def task_run() -> wandb.Run:
    """The run of the task that the caller is in, for the orchestrator's package.

    It stays open until the task ends, also if the task's code calls `wandb.finish()`.

    Raises:
        NoCurrentRunError: As `current_run`.
    """
    run: wandb.Run = _innermost().task_run
    return run


def _innermost() -> Frame:
    frame = _frame.get()
    if frame is not None:
        return frame
    with _lock:
        if not _open_frames:
            raise NoCurrentRunError(
                "current_run() was called outside of a tracked task: "
                "call it below the decorated function, while that runs"
            )
        innermost = _open_frames[-1]
        if any(other not in _around(innermost) for other in _open_frames):
            raise NoCurrentRunError(
                f"current_run() was called in a thread without a task's context while {len(_open_frames)} tasks run "
                "side by side: take the run in the task and pass it to the thread, or start the thread with "
                "contextvars.copy_context().run(...)"
            )
        return innermost


def current_frame() -> Frame | None:
    """The frame of this context, else of the task that was opened last, else None."""
    frame = _frame.get()
    if frame is None and _open_frames:
        with _lock:
            return _open_frames[-1] if _open_frames else None
    return frame


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


def is_within(frame: Frame | None, outer: Frame) -> bool:
    """Whether a task runs within another one, or is it."""
    return outer in _around(frame)


def _around(frame: Frame | None) -> list[Frame]:
    """A frame and those around it, the innermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.outer
    return found
