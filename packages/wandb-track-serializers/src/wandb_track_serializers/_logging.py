"""A value as an output or an input of an open run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb


def log_value(
    run: wandb.Run,
    name: str,
    value: Any,
    aliases: Sequence[str] = (),
    *,
    format: str | None = None,
    max_size: int | None = None,
) -> wandb.Artifact | None:
    """Log a value with a run; its files are written straight into the run's folder.

    Args:
        run: An open run.
        name: Of the artifact, or of the key in the run's summary.
        value: A base type goes to the summary; anything else becomes an artifact.
        aliases: Of the artifact's version, beside "latest".
        format: A format other than the usual one, as in `dump`.
        max_size: As in `dump`.

    Returns:
        The artifact; None where there is none: for a base type, and where the task is not tracked.

    Raises:
        SerializerError: The value cannot be stored.
        ValueError: `format` is not possible.
    """
    from ._kinds import kind_of

    if run.disabled:
        return None
    if kind_of(value) == "summary":
        from ._summary import to_summary

        run.summary[name] = to_summary(value)
        return None
    from wandb_track_core.adapters import artifact_folder, legal_artifact_name, log_artifact

    from ._artifact import to_artifact

    legal = legal_artifact_name(name)
    folder = artifact_folder(run, legal)
    artifact = to_artifact(
        legal, value, datasets=True, models=True, others=True, format=format, directory=folder, max_size=max_size
    )
    if artifact is not None:
        log_artifact(run, artifact, aliases, folder)
    return artifact


def use_value(run: wandb.Run, name: str, alias: str, *, load: bool = False, trusted: bool = False) -> Any:
    """Link a version of an artifact as an input of a run, and load its value if you want.

    Args:
        run: An open run.
        name: The artifact's name; "entity/project/name" where it is not the run's own project.
        alias: The version, or an alias of exactly the version that is meant.
        load: Whether to return the value. Where the run is offline, it is looked for in the runs beside it.
        trusted: Whether you trust whoever wrote it: a pickle runs whatever code is in it.

    Returns:
        The value with `load`. Otherwise the artifact; None where the run is offline (the link is then kept beside it)
        or the task is not tracked.

    Raises:
        LoadError: There is no such artifact, or it cannot be read; see `load` for the others.
        ArgumentError: A value is to be loaded in a task that is not tracked.
        Exception: What the client raises, such as where there is no such version.
    """
    from wandb_track_core import ArgumentError
    from wandb_track_core.adapters import run_folder, use_artifact

    if run.disabled:
        if load:
            raise ArgumentError(
                "load", "cannot be True, because this task is not tracked", remedy="Use load_artifact instead."
            )
        return None
    artifact = use_artifact(run, name, alias)
    if not load:
        return artifact
    if artifact is None:
        from ._reference import load_artifact

        return load_artifact(f"{name}:{alias}", offline=run_folder(run).parent, trusted=trusted)
    from ._artifact import from_artifact

    return from_artifact(artifact, trusted=trusted)
