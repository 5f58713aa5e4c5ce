"""What the client's errors mean: the user's mistake, nobody logged in, an id that is taken, a service that died."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wandb_track_core.errors import unexpected_argument


def is_mistake_of_the_user(error: BaseException, given: Mapping[str, Any]) -> bool:
    """Whether opening failed for a reason that the user has to mend, rather than for a fault of the tracker.

    A request that the server refused (a wrong key, an entity that does not exist) comes back as a `CommError` at once;
    where the server could not be reached or kept failing, the client says that it timed out. An error about a value
    is the user's only if it names an argument that the user gave.

    Args:
        error: What opening raised.
        given: The user's arguments to `wandb.init`, and their settings.
    """
    from wandb.errors import CommError, UsageError

    if isinstance(error, CommError):
        return "timed out" not in str(error).lower()
    if isinstance(error, UsageError) or _lacks_a_library(error):
        return True
    is_about_values = isinstance(error, TypeError | ValueError) or type(error).__name__ == "ConfigError"
    return is_about_values and _is_about(str(error), given)


def name_what_was_refused(error: BaseException, arguments: Mapping[str, Any]) -> None:
    """Add to an error what the client leaves out: where a run was not let in, or which argument was misspelt."""
    from inspect import signature

    import wandb
    from wandb.errors import CommError

    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if isinstance(error, TypeError) and unknown:
        known = signature(wandb.init).parameters
        error.args = (str(unexpected_argument("wandb.init()", unknown[1], known)),)
    if type(error) is CommError:
        place = " of ".join(f"{name} {arguments[name]!r}" for name in ("project", "entity") if arguments.get(name))
        error.args = (
            f"{error} (the server's answer to a run in {place or 'your default project'}): check project"
            " and entity, and that the account whose key is used (WANDB_API_KEY) may write there",
        )


def is_missing_login(error: BaseException) -> bool:
    """Whether opening failed because there is neither a key nor a login, and no terminal to ask for one."""
    from wandb.errors import UsageError

    return isinstance(error, UsageError) and "No API key configured" in str(error)


def is_taken(error: BaseException) -> bool:
    """Whether opening failed because of the run's id: a live run has it, or a run that was deleted had it."""
    text = str(error)
    return "is in use" in text or "previously created and deleted" in text


def is_server_fault(error: BaseException) -> bool:
    """Whether a server failed, so that the service process still holds the run's id."""
    from wandb.errors import Error, UsageError

    return isinstance(error, Error) and not isinstance(error, UsageError)


def is_service_fault(error: BaseException) -> bool:
    """Whether the service process, rather than the server or a disk, is what failed: it died, or does not answer."""
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith("wandb.sdk.")


def _lacks_a_library(error: BaseException) -> bool:
    """Whether the user asked for what needs a library (`sync_tensorboard`, `monitor_gym`) that is not installed."""
    return isinstance(error, ImportError) or "install" in str(error).lower()


def _is_about(message: str, given: Mapping[str, Any]) -> bool:
    """Whether a message is about one of the arguments that the user gave."""
    if "JSON" in message:
        return given.get("config") is not None
    names = {name for name, value in given.items() if value is not None}
    # Settings call the run's own arguments run_group, run_tags and so on.
    return bool(names & {word.removeprefix("run_") for word in re.findall(r"\w+", message)})
