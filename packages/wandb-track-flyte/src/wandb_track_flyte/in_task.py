"""What a task's own code may call: to log a value as an artifact, and to link the version that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from wandb_track_core.adapters import task_run
from wandb_track_serializers import log_value, use_value

from ._context import execution_alias, filesystem, is_in_container

if TYPE_CHECKING:
    import wandb


def wandb_track(
    name: str,
    value: Any,
    *,
    aliases: Sequence[str] = (),
    format: str | None = None,
    storage: Literal["copy", "reference"] = "copy",
) -> wandb.Artifact | None:
    """Log a value with the task's run.

    Args:
        name: Of the artifact, or of the key in the run's summary.
        value: A base type goes to the summary; anything else becomes an artifact: a DataFrame, a path, a torch
            module, a scikit-learn estimator, or whatever pickles. With `storage="reference"`: a URI or a Path.
        aliases: Of the artifact's version, beside "latest" and one that is made of the execution's id.
        format: A format other than the usual one, such as "safetensors" for a torch module.
        storage: "copy" for the value's files, or "reference" for an artifact that refers to the file or folder at a
            URI (s3, gs, abfs, file) or path. In a container, what is on its own disk is copied.

    Returns:
        The artifact; None where there is none: for a base type, and where the task is not tracked.

    Raises:
        NoCurrentRunError: No tracked task is running.
        ArgumentError: `storage` is neither, or the value of a reference is neither URI nor path.
        SerializerError: The value cannot be stored, or there is nothing at the URI.
    """
    return log_value(
        task_run(),
        name,
        value,
        (*aliases, execution_alias()),
        format=format,
        storage=storage,
        in_container=is_in_container(),
        filesystem=filesystem(),
    )


def wandb_use(name: str, alias: str | None = None, *, load: bool = False, trusted: bool = False) -> Any:
    """Link a version of an artifact as an input of the task's run, and load its value if you want.

    Args:
        name: The artifact's name; with `alias` also "entity/project/name".
        alias: The version, or an alias of it. None: the version that a task of this very execution has logged with
            `wandb_track`. Locally, an execution is a process.
        load: Whether to return the value: from the server, or, where the run is offline, from the runs beside it.
        trusted: Whether you trust whoever wrote it: a pickle runs whatever code is in it.

    Returns:
        The value with `load`. Otherwise the artifact; None where the run is offline (the link is then kept beside it)
        or the task is not tracked.

    Raises:
        NoCurrentRunError: No tracked task is running.
        ArgumentError: A value is to be loaded in a task that is not tracked.
        LoadError: There is no such artifact, or it cannot be read.
        Exception: What the client raises, such as where there is no such version.
    """
    alias = alias or execution_alias()
    return use_value(task_run(), name, alias, load=load, trusted=trusted, filesystem=filesystem())
