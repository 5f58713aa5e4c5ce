"""The errors of all wandb-track packages: each names what was given and what to do about it."""

import copyreg
from typing import Any


class TrackError(Exception):
    """Base of every error that a wandb-track package raises on its own account."""

    def __reduce__(self) -> Any:
        # By itself an exception is made again of its message, where those below take the message's parts.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class ArgumentError(TrackError, ValueError):
    """An argument is missing or cannot be used.

    Attributes:
        argument: The argument's name.
    """

    def __init__(self, argument: str, value: object, remedy: str) -> None:
        """Build the message from its parts.

        Args:
            argument: The argument's name.
            value: What was given. Its type is named, never its contents: it could be a key.
            remedy: What to give instead, a full sentence.
        """
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        given = "is missing" if value is None else f"cannot be what was given (of type {kind})"
        super().__init__(f"{argument} {given}: {remedy}")
        self.argument = argument


class NoCurrentRunError(TrackError, RuntimeError):
    """`current_run()` was called where no run, or more than one, could be meant."""


class MissingKeyError(TrackError):
    """The API key that a task was told to use is not there at run time."""


class TrackerFaultError(TrackError):
    """The tracker itself failed (server, service or disk), and `on_error="raise"` asked to hear of it."""
