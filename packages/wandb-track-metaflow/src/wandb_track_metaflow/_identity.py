"""Which task attempt of which flow this is, in Metaflow's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1
from typing import Any, NamedTuple

from wandb_track_core import TaskIdentity

from ._arguments import Arguments
from ._metaflow_internals import content_keys, find_task, node_of, places, store_of, ui_url


class Task(NamedTuple):
    """What Metaflow hands to a decorator of the task that it runs.

    Attributes:
        flow: The flow object, which is `self` in the step's code.
        step: The step's name.
        run_id: Of the flow's run.
        task_id: The task's, within the run.
        attempt: 0 for the first try.
        metadata: The metadata provider.
        datastore: What the task writes to.
        inputs: What it reads from: one task's datastore, or one for each branch of a join; with each, the content keys
            of its variables.
        is_join: Whether the step joins branches.
    """

    flow: Any
    step: str
    run_id: str
    task_id: str
    attempt: int
    metadata: Any
    datastore: Any
    inputs: list[tuple[Any, Mapping[str, str]]]
    is_join: bool

    @classmethod
    def of_hook(cls, *given: Any) -> Task:
        """The task that Metaflow's hook `task_pre_step` is told of."""
        step, datastore, metadata, run_id, task_id, flow, graph, attempt, _, _, inputs, *_ = given
        sources = [(one, content_keys(one)) for one in inputs or ()]
        ids = str(run_id), str(task_id), attempt
        return cls(flow, step, *ids, metadata, datastore, sources, graph[step].type == "join")

    @property
    def pathspec(self) -> str:
        """What `metaflow.Task` takes."""
        return "/".join((self.flow.name, self.run_id, self.step, self.task_id))

    def source_of(self, name: str, key: str) -> Any:
        """The input from which a variable came under a content key; None where none has it under that key."""
        return next((source for source, keys in self.inputs if keys.get(name) == key), None)


def identity_of(task: Task, arguments: Arguments) -> TaskIdentity:
    """The identity of a task attempt, from which all names of its run follow.

    Args:
        task: The attempt.
        arguments: Of the step's `wandb_log`.
    """
    from metaflow.metaflow_current import current

    stack, node, capture = places(task.flow), node_of(task.flow), arguments.capture
    task_id = f"{task.task_id}.{deployment}" if (deployment := _deployment(task)) else task.task_id
    tags, ui = sorted(current.tags or ()), ui_url()
    return TaskIdentity(
        orchestrator="metaflow",
        workflow=task.flow.name,
        execution=task.run_id,
        task=task.step,
        key=(task.flow.name, task.run_id, task.step, task_id),
        attempt=task.attempt,
        indices=tuple(index for _, index, _ in stack),
        values=tuple(value if capture.shows(variable) else "" for variable, _, value in stack),
        url=f"{ui}/{task.pathspec}" if ui else "",
        tags=tuple(tags),
        rank=node[0] if node is not None and arguments.passed_on["ranks"] == "first" else None,
        details={
            "task_id": task.task_id,
            "pathspec": task.pathspec,
            "foreach": [variable for variable, _, _ in stack if not variable.startswith("_")],
            **({} if node is None else {"node_index": node[0], "num_nodes": node[1]}),
            "origin_run_id": current.origin_run_id or "",
            "user": current.username or "",
            "namespace": current.namespace or "",
            "tags": tags,
            "project": current.get("project_name") or "",
            "branch": current.get("branch_name") or "",
        },
    )


def _deployment(task: Task) -> str:
    """What tells apart two deployments whose metadata services both number their runs from 1."""
    if getattr(task.metadata, "TYPE", "") != "service" or not task.run_id.isdigit():
        return ""
    root = store_of(task.datastore).get("root")
    return sha1(root.encode(), usedforsecurity=False).hexdigest()[:8] if root else ""


def earlier_id_of(task: Task, arguments: Arguments) -> dict[str, Any]:
    """The `id` of the run that earlier attempts of a task have, where its next attempt is to continue that."""
    if not task.attempt or not arguments.passed_on["resume"] or not _deployment(task):
        return {}
    stored = find_task(task.pathspec).metadata_dict.get("wandb-run-id")
    return {"id": stored} if stored else {}
