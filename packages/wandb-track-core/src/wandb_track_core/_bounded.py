"""Calls into the client that must come back: some of them wait for a process that can hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

_T = TypeVar("_T")


def bounded(call: Callable[[], _T], seconds: float, what: str) -> _T:
    """Call in a thread of its own, and wait for it no longer than `seconds`.

    Args:
        call: What to do. It sees the caller's context variables. Where it does not come back, its thread is left
            behind as a daemon.
        seconds: How long to wait.
        what: What the call does, for the error.

    Raises:
        TimeoutError: The call did not come back in time.
        BaseException: What the call raised.
    """
    outcome: list[tuple[_T | None, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"wandb-track: {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"{what} did not come back within {seconds:g} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
