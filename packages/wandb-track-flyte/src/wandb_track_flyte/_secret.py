"""The API key, read when a task starts and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flytekit import Secret, current_context
from wandb_track_core import ArgumentError, MissingKeyError


def key_of(secret: Secret | Callable[[], str | None], in_container: bool) -> str | None:
    """The key that a secret stands for.

    Args:
        secret: As given to the decorator.
        in_container: Whether the task runs on a cluster, where nobody has logged in.

    Returns:
        The key; None where it is missing and the user's own login can serve instead.

    Raises:
        MissingKeyError: The key is missing in a container, or the user's function failed.
        ArgumentError: The user's function returned something that is no text.
    """
    key = _from_flyte(secret) if isinstance(secret, Secret) else _from_function(secret)
    if key or not in_container:
        return key or None
    raise MissingKeyError(_what_is_missing(secret))


def _from_flyte(secret: Secret) -> str:
    mount = secret.mount_requirement
    value = os.environ.get(secret.env_var or "", "").strip()
    try:
        # Where any mount will do, Flyte may put the key into a file, and its path into the variable.
        if mount is not Secret.MountType.ENV_VAR and os.path.isfile(value):  # noqa: PTH113 - false for any text
            return Path(value).read_text().strip()
        if value and mount is not Secret.MountType.FILE:
            return value
        return str(
            current_context().secrets.get(group=secret.group, key=secret.key, group_version=secret.group_version)
        )
    except (ValueError, OSError):
        return ""


def _from_function(function: Callable[[], str | None]) -> str:
    try:
        key = function()
    except Exception as error:
        raise MissingKeyError(f"secret: the function that was to return the API key raised {error!r}") from error
    if key is not None and not isinstance(key, str):
        raise ArgumentError(
            "secret", "must be a function that returns the API key as a str, or None", key, is_secret=True
        )
    return (key or "").strip()


def _what_is_missing(secret: Secret | Callable[[], str | None]) -> str:
    if not isinstance(secret, Secret):
        return "secret: the function returned no API key: let it return the key that this task has at run time"
    request = f"group={secret.group!r}, key={secret.key!r}"
    return (
        f"secret: this task has no secret with {request}: request it with @task(secret_requests=[Secret({request})]), "
        "and see that the cluster has it"
    )
