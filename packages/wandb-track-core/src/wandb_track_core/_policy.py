"""What the user wants to happen where the tracker, or a part of a distributed task, is not all there."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from ._ranks import Ranks
from .errors import ArgumentError

OnError = Literal["offline", "warn", "raise"]
INIT_TIMEOUT = 7.0
"""Seconds that opening a run waits for the server, by default."""
FINISH_TIMEOUT = 10.0
"""Seconds that closing a run waits for a server that does not answer, by default."""


class Policy(NamedTuple):
    """The user's choices, with defaults for those that they left open.

    Attributes:
        on_error: See `TrackedRun`.
        init_timeout: Seconds.
        finish_timeout: Seconds.
        ranks: See `TrackedRun`.
    """

    on_error: OnError
    init_timeout: float
    finish_timeout: float
    ranks: Ranks


def check_policy(
    on_error: Any = None, init_timeout: Any = None, finish_timeout: Any = None, ranks: Any = None
) -> Policy:
    """Refuse a policy that cannot be meant, before anything is opened; fill in the defaults for None.

    Raises:
        ArgumentError: Naming the argument.
    """
    for name, value, choices in (("on_error", on_error, get_args(OnError)), ("ranks", ranks, get_args(Ranks))):
        if value is not None and value not in choices:
            raise ArgumentError(name, f"must be one of {', '.join(map(repr, choices))}", value)
    for name, value in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and value > 0):
            raise ArgumentError(name, "must be a number of seconds above 0, or None for the default", value)
    return Policy(
        on_error or "offline",
        INIT_TIMEOUT if init_timeout is None else init_timeout,
        FINISH_TIMEOUT if finish_timeout is None else finish_timeout,
        ranks or "first",
    )
