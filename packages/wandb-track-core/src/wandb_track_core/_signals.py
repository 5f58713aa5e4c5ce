"""SIGTERM: the orchestrator takes the machine away, and the runs are to say so before the process ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

TERMINATED = 143
"""The exit code of a process that SIGTERM ended: 128 + 15."""
TERMINATION_SECONDS = 20.0
"""How long all runs together may take to close on SIGTERM. Kubernetes waits 30 seconds before it kills."""


class TerminationWatch:
    """Calls functions on SIGTERM while they are watched for, and then whatever would have been called without us.

    Python lets only the main thread set a handler. A task on another thread is not notified: the process ends as it
    would have, and the server marks the run as crashed when its heartbeat stays away.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._process: int | None = None
        self._is_set = False
        self._previous: Any = None

    def add(self, call: Callable[[], None]) -> None:
        """Watch for this one, where that can be done. A process that ignores SIGTERM goes on ignoring it."""
        handler = signal.getsignal(signal.SIGTERM)
        if self._process != os.getpid():  # a forked child inherits the handler, but not the runs
            self._calls, self._process, self._is_set = [], os.getpid(), handler == self._handle
        self._calls.append(call)
        if self._is_set or handler in (signal.SIG_IGN, None) or not _is_in_main_thread():
            return
        self._previous, self._is_set = handler, True
        signal.signal(signal.SIGTERM, self._handle)

    def remove(self, call: Callable[[], None]) -> None:
        """Watch for this one no more. After the last, put back the handler that was there, unless the task set one."""
        if self._process != os.getpid() or call not in self._calls:
            return
        self._calls.remove(call)
        if self._is_set and not self._calls and _is_in_main_thread():
            if signal.getsignal(signal.SIGTERM) == self._handle:
                signal.signal(signal.SIGTERM, self._previous)
            self._is_set = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._process == os.getpid():
            self._call_all()
        self._is_set = False
        # The default after the second time: a handler of the task's can call this one as the one before it.
        previous, self._previous = self._previous, signal.SIG_DFL
        signal.signal(signal.SIGTERM, previous)
        if callable(previous):
            previous(number, frame)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def _call_all(self) -> None:
        """Side by side, the last one first: they share the seconds that the orchestrator leaves."""
        deadline = time.monotonic() + TERMINATION_SECONDS
        threads = [threading.Thread(target=call, daemon=True) for call in reversed(self._calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _is_in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
