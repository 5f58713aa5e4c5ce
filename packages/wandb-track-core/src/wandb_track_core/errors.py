"""The errors of all wandb-track packages: each names what was given and what to do about it."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from typing import Any

_SHOWN_LENGTH = 80
"""Characters of a value that an error shows."""
_KEY_LENGTH = 40
"""Characters from which on a str without spaces could be an API key, which is never shown."""
_UNSET: Any = object()


class TrackError(Exception):
    """Base of every error that a wandb-track package raises on its own account."""

    def __reduce__(self) -> Any:
        # By itself an exception is made again of its message, where those below take the message's parts.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class ArgumentError(TrackError, ValueError):
    """An argument is missing or cannot be used.

    The message is "{argument} {problem}, not {value}. {remedy}", such as "datasets must be True or False, not 'yes'."

    Attributes:
        argument: The argument's name.
    """

    def __init__(
        self, argument: str, problem: str, value: object = _UNSET, remedy: str = "", *, is_secret: bool = False
    ) -> None:
        """Build the message from its parts.

        Args:
            argument: The argument's name.
            problem: What is wrong, as the rest of a sentence that begins with the name: "must be a list of str".
            value: What was given; left out where there is nothing to show.
            remedy: What to do, a full sentence; left out where the problem says it.
            is_secret: Whether the value could be a key, so that only its type is named.
        """
        given = "" if value is _UNSET else f", not {_shown(value, is_secret)}"
        super().__init__(f"{argument} {problem}{given}." + (f" {remedy}" if remedy else ""))
        self.argument = argument


class NoCurrentRunError(TrackError, RuntimeError):
    """`current_run()` was called where no run, or more than one, could be meant."""


class MissingKeyError(TrackError):
    """The API key that a task should use is missing at run time."""


class TrackerFaultError(TrackError):
    """The tracker itself failed (server, service or disk), and `on_error="raise"` asked to hear of it."""


def unexpected_argument(function: str, argument: str, known: Iterable[str]) -> ArgumentError:
    """The error for an argument that a function does not have, with the nearest of those that it has.

    Args:
        function: The function's name, for the message.
        argument: What was given.
        known: The names that the function has.
    """
    import difflib

    known = sorted(known)
    near = difflib.get_close_matches(argument, known, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(known)}."
    error = ArgumentError(function, f"got an unexpected argument {argument!r}", remedy=remedy)
    error.argument = argument
    return error


def _shown(value: object, is_secret: bool) -> str:
    """A value as an error shows it: a short plain one as it is, otherwise its type."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    could_be_key = isinstance(value, str) and len(value) >= _KEY_LENGTH and not value.count(" ")
    if value is None or isinstance(value, bool):
        return repr(value)
    if not is_secret and not could_be_key and isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    return f"{article} {kind}"
