"""What is given to the decorator: plain values where plain values belong, and a folder from a task's input."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from flytekit import Secret
from flytekit.core.promise import Promise
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from wandb_track_core import ArgumentError
from wandb_track_core.adapters import check_policy

from ._literals import leaves

_REQUIRED = {
    "project": 'Use project="my-project", the W&B project.',
    "entity": 'Use entity="my-team", the W&B user or team that the project belongs to.',
    "secret": "Use a flytekit.Secret or a function that returns the API key.",
}
_TEXTS = ("project", "entity", "id", "host", "api_host")
_SET_BY_US = ("api_key", "base_url", "identity", "in_container", "store")
"""What `TrackedRun` takes, and what follows from the task or from other arguments."""


def check(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that are missing or cannot be used, as early as Python reads the decorator.

    Raises:
        ArgumentError: Naming the argument.
    """
    for name, remedy in _REQUIRED.items():
        if arguments[name] is None:
            raise ArgumentError(name, "is missing", remedy=remedy)
    for name in _SET_BY_US:
        if name in arguments:
            raise ArgumentError(name, "cannot be given", remedy="Use secret=, api_host= or id=.")
    for name, value in arguments.items():
        for part in leaves(value):
            if isinstance(part, Promise | FlyteFile) or (isinstance(part, FlyteDirectory) and name != "dir"):
                raise ArgumentError(
                    name, "must be a plain value", part, "Log what a task's input holds inside the task."
                )
    for name in ("parameters", "deck"):
        if not isinstance(arguments[name], bool):
            raise ArgumentError(name, "must be True or False", arguments[name])
    for name in _TEXTS:
        value = arguments[name]
        is_text = isinstance(value, str) and bool(value.strip())
        if not (is_text or (name == "id" and value is None)):
            raise ArgumentError(name, "must be a str that is not empty", value)
        if name in ("host", "api_host") and not value.startswith(("https://", "http://")):
            raise ArgumentError(name, "must begin with https://", value)
    if not isinstance(arguments["secret"], Secret) and not callable(arguments["secret"]):
        problem, remedy = "must be a flytekit.Secret or a function that returns the key", "Never put the key into code."
        raise ArgumentError("secret", problem, arguments["secret"], remedy, is_secret=True)
    check_policy(*(arguments[name] for name in ("on_error", "init_timeout", "finish_timeout", "ranks")))


def folder(given: Any, inputs: Mapping[str, Any]) -> str | None:
    """The local folder for a run's files.

    Args:
        given: A path, a FlyteDirectory, or the name of an input that holds one of these.
        inputs: The task's inputs by name.

    Raises:
        ArgumentError: It is something else.
    """
    value = inputs[given] if isinstance(given, str) and given in inputs else given
    if value is None:
        return None
    if isinstance(value, FlyteFile) or not isinstance(value, str | os.PathLike):
        raise ArgumentError("dir", "must be a path, a FlyteDirectory, or the name of an input that is one", value)
    return os.fspath(value)  # which downloads a FlyteDirectory


def named(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a call by their names, defaults included."""
    bound = inspect.signature(function).bind_partial(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)
