"""SIGTERM: the orchestrator takes the machine away, and the runs are to say so before the process ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

TERMINATED = 143
"""The exit code of a process that SIGTERM ended: 128 + 15."""
TERMINATION_SECONDS = 20.0
"""How long all runs together may take to close on SIGTERM. Kubernetes waits 30 seconds before it kills."""
NOTICE_SECONDS = 2.0
"""How long they may take to note it, before another handler is called."""


class TerminationWatch:
    """Calls functions on SIGTERM while they are watched for, and what would have been called without us.

    Each is called with False first: the process may end. It is called with True where it does so at once, as there is
    no other handler. Another handler decides: it may let the process go on, as those of trainers that save a checkpoint
    first, or raise, which the task's code may still catch.

    Python lets only the main thread set a handler. A task on another thread is not notified: the process ends as it
    would have, and the server marks the run as crashed when its heartbeat stays away.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[bool], None]] = []
        self._handler: _Handler | None = None
        if hasattr(os, "register_at_fork"):  # Windows has none
            os.register_at_fork(after_in_child=self._forget)

    def add(self, call: Callable[[bool], None]) -> None:
        """Watch for this one, where that can be done. A process that ignores SIGTERM goes on ignoring it."""
        current: Any = signal.getsignal(signal.SIGTERM)
        self._calls.append(call)
        if self._handler is None and current not in (signal.SIG_IGN, None) and _is_in_main_thread():
            self._handler = _Handler(self, current)
            signal.signal(signal.SIGTERM, self._handler)

    def remove(self, call: Callable[[bool], None]) -> None:
        """Watch for this one no more. After the last, put back the handler that was there, unless the task set one."""
        if call in self._calls:
            self._calls.remove(call)
        if not self._calls and _is_in_main_thread():
            self._put_back()

    def call_all(self, ends: bool, deadline: float) -> None:
        """Side by side, the last one first: they share the seconds that the orchestrator leaves."""
        threads = []
        for call in reversed(self._calls):
            thread = threading.Thread(target=call, args=(ends,), daemon=True)
            with suppress(RuntimeError):  # the process may have no more threads
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _put_back(self) -> None:
        if (handler := self._handler) is not None:
            self._handler = None
            if handler.is_set():
                signal.signal(signal.SIGTERM, handler.previous)

    def _forget(self) -> None:
        """A forked child has its parent's handler, but the runs are the parent's, and the child ends as untracked."""
        self._calls = []
        self._put_back()


class _Handler:
    """One handler of the process, which knows the one before it: handlers that came later may call this one."""

    def __init__(self, watch: TerminationWatch, previous: Any) -> None:
        self._watch = watch
        self.previous = previous

    def __call__(self, number: int, frame: FrameType | None) -> None:
        began = time.monotonic()
        self._watch.call_all(False, began + NOTICE_SECONDS)
        if callable(self.previous):
            self.previous(number, frame)
        elif self.is_set():  # else a later handler decides whether the process ends
            _leave_log()
            self._watch.call_all(True, began + TERMINATION_SECONDS)
            signal.signal(signal.SIGTERM, self.previous)
            os.kill(os.getpid(), signal.SIGTERM)

    def is_set(self) -> bool:
        current: Any = signal.getsignal(signal.SIGTERM)
        return current is self


def _leave_log() -> None:
    """Let go of the client's log, in the middle of which the signal may have stopped this thread: closing logs, too."""
    import logging

    for handler in logging.getLogger("wandb").handlers:
        with suppress(RuntimeError):  # it is not, or no more, this thread's
            while handler.lock is not None:
                handler.release()


def _is_in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
