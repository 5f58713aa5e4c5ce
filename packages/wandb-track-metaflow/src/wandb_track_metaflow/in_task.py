"""What a step's own code may call: to log a value under a name that it chooses, and to link a version that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from wandb_track_core.adapters import task_run

from ._metaflow_internals import is_remote

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
    """Log a value now, under a name of its own, whatever the flags of the step's `wandb_log` say.

    Args:
        name: Of the artifact, or of the key in the run's summary.
        value: A base type goes to the summary; anything else becomes an artifact. With `storage="reference"`: a URI
            or a Path.
        aliases: Of the artifact's version, beside "latest".
        format: A format other than the usual one, such as "safetensors" for a torch module.
        storage: "copy" for the value's files, or "reference" for an artifact that refers to the file or folder at a
            URI (s3, gs, abfs, file) or path. In a remote task, what is on the machine's own disk is copied.

    Returns:
        The artifact; None where there is none: for a base type, and where the step is not tracked.

    Raises:
        NoCurrentRunError: No tracked step is running.
        ArgumentError: `storage` is neither, or the value of a reference is neither URI nor path.
        SerializerError: The value cannot be stored, or there is nothing at the URI.
    """
    from wandb_track_serializers import log_value

    return log_value(task_run(), name, value, aliases, format=format, storage=storage, in_container=is_remote())


def wandb_use(name: str, alias: str | None = None, *, load: bool = False, trusted: bool = False) -> Any:
    """Link a version of an artifact as an input of the step's run, and load its value if you want.

    What a step reads from the flow is linked without this. Use it for a variable that the step hands on unread, or
    for an artifact that does not come with the flow.

    Args:
        name: A variable of the flow; with `alias` any artifact: "name", or "entity/project/name".
        alias: The version, or an alias of it. None: the version that this very step has as its input.
        load: Whether to return the value: of a variable as the flow has it, of another artifact from the server, or,
            where the run is offline, from the runs beside it.
        trusted: Whether you trust whoever wrote an artifact that is loaded: a pickle runs whatever code is in it.

    Returns:
        The value with `load`. Otherwise the artifact; None where the run is offline (the link is then kept beside it)
        or the step is not tracked.

    Raises:
        NoCurrentRunError: No tracked step is running.
        ArgumentError: The step has no such input, the branches of a join have several versions of it, or an artifact
            is to be loaded in a step that is not tracked.
        LoadError: There is no such artifact, or it cannot be read.
        Exception: What the client raises, such as where there is no such version.
    """
    run = task_run()
    if alias is None:
        from ._inputs import use_input

        return use_input(run, name, load)
    from wandb_track_serializers import use_value

    from . import _stored  # noqa: F401 - reads what `storage="reference"` refers to

    return use_value(run, name, alias, load=load, trusted=trusted)
