"""Which task attempt of which flow this is, in Metaflow's own terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ._datastore import node_of, places

if TYPE_CHECKING:
    from wandb_track_core import TaskIdentity

    from ._arguments import Arguments


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
        inputs: What it reads from: one task's datastore, or one for each branch of a join.
    """

    flow: Any
    step: str
    run_id: str
    task_id: str
    attempt: int
    metadata: Any
    datastore: Any
    inputs: list[Any]

    @property
    def pathspec(self) -> str:
        """What `metaflow.Task` takes."""
        return "/".join((self.flow.name, self.run_id, self.step, self.task_id))


def identity_of(task: Task, arguments: Arguments) -> TaskIdentity:
    """The identity of a task attempt, from which all names of its run follow.

    Args:
        task: The attempt.
        arguments: Of the step's `wandb_log`.
    """
    from metaflow.metaflow_current import current
    from wandb_track_core import TaskIdentity

    stack, node = places(task.flow), node_of(task.flow)
    tags = sorted(current.tags or ())
    return TaskIdentity(
        orchestrator="metaflow",
        workflow=task.flow.name,
        execution=task.run_id,
        task=task.step,
        key=(task.flow.name, task.run_id, task.step, task.task_id),
        attempt=task.attempt,
        indices=tuple(place.position for place in stack),
        values=tuple(place.value if arguments.lets_through(place.variable) else "" for place in stack),
        url=_url(task),
        tags=tuple(tags),
        rank=node[0] if node is not None and arguments.ranks == "first" else None,
        details={
            "task_id": task.task_id,
            "pathspec": task.pathspec,
            "foreach": [place.variable for place in stack if not place.variable.startswith("_")],
            **({} if node is None else {"node_index": node[0], "num_nodes": node[1]}),
            "origin_run_id": current.origin_run_id or "",
            "user": current.username or "",
            "namespace": current.namespace or "",
            "tags": tags,
            "project": current.get("project_name") or "",
            "branch": current.get("branch_name") or "",
        },
    )


def _url(task: Task) -> str:
    """The task's page, where the user's Metaflow has a UI."""
    from metaflow.metaflow_config import UI_URL

    return f"{UI_URL.rstrip('/')}/{task.pathspec}" if UI_URL else ""
