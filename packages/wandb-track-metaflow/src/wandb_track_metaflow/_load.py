"""Values that a Metaflow step logged, by the names that Metaflow gives them."""

from __future__ import annotations

import os
from typing import Any

from wandb_track_core import ArgumentError
from wandb_track_core.adapters import legal_artifact_name


def load(
    pathspec: str,
    *,
    project: str = "",
    entity: str = "",
    offline: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    **options: Any,
) -> Any:
    """Load a variable that a step logged as an artifact.

    Args:
        pathspec: "flow/run/step/name", or "flow/run/step/task/name" where several tasks of the step made it. The run
            can be "latest": the last one in which the step made it.
        project: The W&B project of the runs.
        entity: Its user or team; the user's own by default.
        offline: A folder that has offline runs below it, packed or not, such as the datastore; None: the server.
        trusted: Whether you trust whoever wrote it: pickles run whatever code is in them. What Metaflow has stored,
            to which `storage="reference"` refers, are pickles.
        **options: `directory`, `max_size`, `api`, `filesystem`: as in `wandb_track_serializers.load_artifact`.

    Returns:
        The value, its contents verified.

    Raises:
        ArgumentError: `pathspec` is none.
        IntegrityError: What it refers to was deleted from Metaflow's datastore, or changed there.
        LoadError: There is no such artifact, or several tasks have made it; or it cannot be read.
        UntrustedError: Reading would run code, and `trusted` is not set.
    """
    from wandb_track_serializers import Producer, load_artifact

    from . import _stored  # noqa: F401 - reads what `storage="reference"` refers to

    parts = pathspec.split("/") if isinstance(pathspec, str) else []
    if len(parts) not in (4, 5) or not all(parts):
        raise ArgumentError("pathspec", "must be 'flow/run/step/name' or 'flow/run/step/task/name'", pathspec)
    flow, run, step, *task, name = parts
    is_latest = run == "latest"
    facts = {"workflow": flow, "task": step}
    if not is_latest:
        facts["execution"] = run
    if task:
        facts["task_id"] = task[0]
    group = {"$regex": f"^{flow}/"} if is_latest else f"{flow}/{run}"
    producer = Producer("metaflow", facts, {"group": group}, is_latest)
    reference = "/".join(part for part in (entity, project, legal_artifact_name(name)) if part)
    return load_artifact(reference, run=producer, offline=offline, trusted=trusted, **options)
