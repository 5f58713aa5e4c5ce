"""How a task ended, in the terms that a run keeps: an exit code, and the exception by type and message."""

from __future__ import annotations

MESSAGE_LIMIT = 4096
"""Characters of an exception's message that are kept on a run."""


def exit_code_of(error: BaseException | None) -> int:
    """The exit code that a process would have had if the task had been its main program.

    Returns:
        0 without an error; what `sys.exit` was given, 1 where that was a text; 130 (128 + SIGINT, by the
        shells' convention) for a KeyboardInterrupt; 1 for everything else.
    """
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        return error.code if isinstance(error.code, int) else 1
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def describe(error: BaseException) -> dict[str, str]:
    """The exception's type and message, for the run's summary; never raises, whatever `str(error)` does."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception as failure:
        message = f"<its message cannot be shown: str() raised {type(failure).__qualname__}>"
    return {"type": name, "message": message[:MESSAGE_LIMIT]}
