"""Values that a Flyte task logged, by execution and task."""

from __future__ import annotations

import os
import re
from typing import Any

from wandb_track_serializers import Producer, load_artifact

from ._context import filesystem


def load(
    execution: str,
    task: str,
    name: str,
    *,
    project: str = "",
    entity: str = "",
    index: int | None = None,
    offline: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    **options: Any,
) -> Any:
    """Load a value that a Flyte task logged as an artifact.

    Args:
        execution: The id of the Flyte execution; "latest" for the last one in which the task made it.
        task: The task's name, with its module or without.
        name: The artifact's name; with ":alias" for a version of several that the task made.
        project: The W&B project of the runs.
        entity: Its user or team; the user's own by default.
        index: The element of a map task.
        offline: A folder that has offline runs below it, packed or not, such as a task's raw outputs; None: the server.
        trusted: Whether you trust whoever wrote it: pickles run whatever code is in them.
        **options: `directory`, `max_size`, `api`, `filesystem`: as in `wandb_track_serializers.load_artifact`.

    Returns:
        The value, its contents verified.

    Raises:
        LoadError: There is no such artifact, or several tasks have made it; or it cannot be read.
        UntrustedError: Reading would run code, and `trusted` is not set.
    """
    is_latest = execution == "latest"
    facts: dict[str, Any] = {"task": task} if is_latest else {"execution": execution, "task": task}
    if index is not None:
        facts["indices"] = [index]
    of_execution = {"group": {"$regex": f"(^|/){re.escape(execution)}$"}}
    filters = {"jobType": task.rpartition(".")[2]} if is_latest else of_execution
    producer = Producer("flyte", facts, filters, is_latest)
    place = "/".join(part for part in (entity, project) if part)
    reference = f"{place}/{name}" if place else name
    options = {"filesystem": filesystem(), **options}
    return load_artifact(reference, run=producer, offline=offline, trusted=trusted, **options)
