"""The clock that `@timeout` sets for a step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def alarm_stopped() -> Iterator[None]:
    """Stop the clock: what tracking takes is not the step's time, and its alarm is the step's to hear."""
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, interval)
