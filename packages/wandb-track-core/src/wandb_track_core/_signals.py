"""SIGTERM: the orchestrator takes the machine away, and the run is to say so before the process ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class TerminationWatch:
    """Calls a function on SIGTERM while it is watched for, and then whatever would have been called without us.

    Python lets only the main thread set a handler. A task on another thread is not notified: the process ends as it
    would have, and the server marks the run as crashed when its heartbeat stays away.

    Args:
        on_termination: Called once, in the main thread, between two steps of whatever runs there.
    """

    def __init__(self, on_termination: Callable[[], None]) -> None:
        self._on_termination = on_termination
        self._previous: Any = None
        self._process: int | None = None

    def start(self) -> None:
        """Watch, where that can be done. A process that ignores SIGTERM goes on ignoring it."""
        if self._process == os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is signal.SIG_IGN or previous is None:
            return
        self._previous = previous
        self._process = os.getpid()
        signal.signal(signal.SIGTERM, self._handle)

    def stop(self) -> None:
        """Put back the handler that was there, unless the task has set one of its own in the meantime."""
        if self._process != os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._previous)
        self._process = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # A forked child inherits the handler, but not the runs: they are its parent's.
        if self._process == os.getpid():
            self._on_termination()
            self._process = None
        signal.signal(signal.SIGTERM, self._previous)
        if callable(self._previous):
            self._previous(number, frame)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
