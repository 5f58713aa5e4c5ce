"""All that this package takes from Metaflow beyond its public names, in one place.

- `TaskDataStore._objects`: the content key of each of a task's variables. Metaflow's client shows the same key as
  `DataArtifact.sha`, but only once the task is over.
- `FlowSpec._datastore`: what a flow object reads its variables from; `_foreach_stack` and `_parallel_ubf_iter`: its
  place among siblings; `_graph`: the flow's steps with their decorators and the branches around them.
- `TaskDataStore._save_file` and its storage: a place for a task's files that are no variables, as its logs are.
- `StepDecorator.inserted_by`, to tell a decorator that a flow added from one that the user wrote above a step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where a task stands among the tasks of one `foreach`.

    Attributes:
        variable: The name of the variable that is iterated over.
        position: The task's index; for `num_parallel` that of its node.
        value: The element, as a short text; empty where Metaflow keeps none.
    """

    variable: str
    position: int
    value: str


def content_keys(datastore: Any) -> Mapping[str, str]:
    """The content key of each variable in a task's datastore, the task's own or one of its inputs."""
    keys: Mapping[str, str] = datastore._objects
    return keys


def datastore_of(flow: Any) -> Any:
    """What a flow object reads from: the input's datastore; in a join, what was merged from the inputs."""
    return flow._datastore


def places(flow: Any) -> tuple[Place, ...]:
    """The task's place in each `foreach` around it, the outermost first."""
    stack = getattr(flow, "_foreach_stack", None) or ()
    return tuple(Place(frame.var, int(frame.index or 0), frame.value or "") for frame in stack)


def pass_down(flow: Any, datastore: Any, name: str) -> None:
    """Let a join have a variable as it is in one of its inputs, as `merge_artifacts` does."""
    flow._datastore.passdown_partial(datastore, [name])


def node_of(flow: Any) -> tuple[int, int] | None:
    """The task's place among the nodes of a `num_parallel` step, and how many there are; None in all other steps."""
    stack = places(flow)
    if not stack or stack[-1].variable != "_parallel_ubf_iter":
        return None
    return stack[-1].position, int(flow._parallel_ubf_iter.num_parallel)


def is_tracked(flow: Any) -> bool:
    """Whether all steps of the flow are tracked."""
    return all(any(_tracks(decorator) for decorator in node.decorators) for node in flow._graph)


def _tracks(decorator: Any) -> bool:
    return bool(decorator.name == "wandb_log" and not decorator.is_off)


def is_in_branch(flow: Any, step: str | None = None) -> bool:
    """Whether a step, or any step of the flow, is in a branch, so that a join may merge its variables with others."""
    nodes = [node for node in flow._graph if step in (None, node.name)]
    return any(len(node.split_parents) > (node.type == "join") for node in nodes)


def outlives_machine(datastore: Any) -> bool:
    """Whether what is put into a task's datastore is still there when the task's machine is gone.

    A local datastore may lie on a shared disk; the variable `WANDB_TRACK_STORE=always` says so.
    """
    return datastore._storage_impl.TYPE != "local" or os.environ.get("WANDB_TRACK_STORE") == "always"


def save_file(datastore: Any, path: Path) -> str:
    """Keep a file beside a task's logs in the datastore, under the attempt's number; returns its address."""
    with path.open("rb") as file:
        datastore._save_file({path.name: file})
    storage = datastore._storage_impl
    inside = storage.path_join(datastore._path, datastore._metadata_name_for_attempt(path.name))
    return str(storage.full_uri(inside))


def is_inserted(step: Any, name: str) -> bool:
    """Whether a step has a decorator of this name that a flow added to it."""
    return any(decorator.name == name and decorator.inserted_by for decorator in step._my_step.decorators)


def is_delayed(value: Any) -> bool:
    """Whether an argument is an expression over the flow's `Config`, known only once that was read."""
    from metaflow.user_configs.config_parameters import DelayEvaluator

    return isinstance(value, DelayEvaluator)


def looks_without_reading() -> frozenset[Any]:
    """The code of Metaflow that loads variables for its own ends, while the step's code runs."""
    from metaflow.flowspec import FlowSpec

    return frozenset(function.__code__ for function in (FlowSpec.next, FlowSpec.merge_artifacts))


def parameters(task_input: Any) -> dict[str, Any]:
    """The flow's parameters and configs by name, as Metaflow stores them: a file that was included stays unread."""
    from metaflow.metaflow_current import current

    return dict(task_input.load_artifacts(current.get("parameter_names", ())))


def included_file(value: Any) -> dict[str, Any] | None:
    """Of an `IncludeFile`: its stored name's hash (SHA-1 of the contents) and size in bytes; None for anything else."""
    from metaflow.includefile import IncludedFile

    if not isinstance(value, IncludedFile):
        return None
    return {"sha1": str(value.descriptor["url"]).rpartition("/")[2], "size": value.size}
