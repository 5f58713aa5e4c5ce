"""Which task attempt is running, as far as flytekit and the container's environment tell.

The platform names what belongs to an attempt as follows (flytepropeller 1.x):

- the *generated name* `{execution}-{unique node id}-{attempt}`; one longer than 50 characters becomes "f" and seven
  characters of a hash. The pod has this name, with what an operator adds for a replica (`-worker-0`);
- the unique node id is `n0`, in a dynamic or sub-workflow `n0-0-dn1` (parent, its attempt, node), of a map task's
  element `n0-0-n3`; one longer than 20 characters is hashed;
- raw outputs go to `{prefix}/{shard}/{generated name}`;
- outputs go to `{prefix}/{project}-{domain}-{execution}/n0/data/{attempt}`, further nodes following as
  `/{node}/{attempt}`, elements of a map task as `/{index}/{attempt}`.

HOSTNAME is the pod's name unless the pod uses the host's network or a host name of its own; Kubernetes cuts it at 63
characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from flytekit.core.context_manager import ExecutionParameters, ExecutionState, FlyteContextManager
from wandb_track_core import ArgumentError, TaskIdentity

_HASHED = re.compile(r"f[a-z1-6]{7}")
_CUT_AT = 62
"""A host name of so many characters may have been cut at 63, and have lost a "-" at its end."""
_LOCAL_EXECUTION = f"flyte-local-{uuid4().hex[:12]}"


def check_running(function: Callable[..., Any]) -> None:
    """Refuse to run while flytekit only compiles: what is called then is a workflow, or a function that is no task.

    The body of a dynamic task runs in its container for compiling, with real inputs: that is its execution.

    Raises:
        ArgumentError: Naming the function.
    """
    context = FlyteContextManager.current_context()
    state = context.execution_state
    is_dynamic = state is not None and state.mode is ExecutionState.Mode.DYNAMIC_TASK_EXECUTION
    if context.compilation_state is not None and not is_dynamic:
        name = getattr(function, "__name__", "it")
        problem = f"cannot track {name}, which was called while a workflow is compiled"
        raise ArgumentError("@wandb_init", problem, remedy="Use @task above it, and @wandb_init on tasks only.")


def is_in_container() -> bool:
    """Whether this is a task's container on a cluster, rather than somebody's own machine."""
    return _parameters() is not None


def execution_alias() -> str:
    """The alias of what the tasks of this execution log. Locally, all tasks of an execution run in one process."""
    parameters = _parameters()
    return f"flyte-{parameters.execution_id.name}" if parameters else _LOCAL_EXECUTION


def map_index() -> int | None:
    """The index of this element of a map task, found as flytekit finds it; None in other tasks, and in their bodies."""
    index = None if is_nested() else _number(_variable("BATCH_JOB_ARRAY_INDEX_VAR_NAME"))
    return None if index is None else index + (_number("BATCH_JOB_ARRAY_INDEX_OFFSET") or 0)


def is_nested() -> bool:
    """Whether a task is called as a function is: locally, or in the body of another task, which has the attempt."""
    state = FlyteContextManager.current_context().execution_state
    return state is not None and state.is_local_execution()


def raw_output_store() -> Callable[[Path], str]:
    """What puts a file below the task's raw-output prefix, where it outlives the container, and says where."""
    access = FlyteContextManager.current_context().file_access
    return lambda path: str(access.put_raw_data(str(path)))


def filesystem() -> Callable[[str], Any]:
    """What gives the file system of a URI, with the credentials that flytekit has."""
    access: Any = FlyteContextManager.current_context().file_access
    found: Callable[[str], Any] = access.get_filesystem_for_path
    return found


def identity_of(function: Callable[..., Any]) -> TaskIdentity:
    """The identity of the attempt that is running.

    Args:
        function: The task's function.
    """
    short = getattr(function, "__name__", type(function).__name__)
    name = f"{getattr(function, '__module__', '')}.{short}".strip(".")
    parameters = _parameters()
    if parameters is None:
        return TaskIdentity(orchestrator="flyte", task=short, details={"task": name})
    execution, task = parameters.execution_id, parameters.task_id
    attempt = _number("FLYTE_ATTEMPT_NUMBER") or 0
    index = map_index()
    registered = name if is_nested() or not (task and task.name) else task.name
    key, pod = ((), "") if is_nested() else _names(parameters, attempt, index)
    return TaskIdentity(
        orchestrator="flyte",
        task=short,
        key=key,
        workflow=_variable("FLYTE_INTERNAL_EXECUTION_WORKFLOW", "_F_WF").rpartition(":")[2],
        execution=execution.name,
        attempt=attempt,
        indices=() if index is None else (index,),
        platform_id=pod,
        url=_variable("FLYTE_EXECUTION_URL"),
        details={
            "project": execution.project,
            "domain": execution.domain,
            "task": registered,
            "version": task.version if task else "",
            "raw_outputs": parameters.raw_output_prefix or "",
        },
    )


def _parameters() -> ExecutionParameters | None:
    """What flytekit knows of the execution; None outside of one.

    Locally flytekit calls everything "local"; processes that an elastic task starts locally find nothing at all.
    """
    parameters = FlyteContextManager.current_context().user_space_params
    execution = parameters.execution_id if parameters else None
    if execution is None or not execution.name:
        return None
    is_local = (execution.project, execution.domain, execution.name) == ("local", "local", "local")
    return None if is_local else parameters


def _names(parameters: ExecutionParameters, attempt: int, index: int | None) -> tuple[tuple[str, ...], str]:
    """The key of the task, and the name of its pod, as the pod says, if that agrees with what else is known.

    Both are empty where they are not known for sure.
    """
    execution = parameters.execution_id.name
    generated = (parameters.raw_output_prefix or "").rstrip("/").rpartition("/")[2]
    if not (_HASHED.fullmatch(generated) or re.fullmatch(rf"{re.escape(execution)}-.+-{attempt}", generated)):
        generated = ""
    nodes = _nodes(parameters, attempt, index)
    known = [f"{generated}-"] if generated else []
    if nodes:
        known.append("-".join((execution, *nodes, str(attempt), "")))
    own_names = (_variable("FLYTE_INTERNAL_WORKER_NAME", "_F_WN"), _variable("HOSTNAME"))
    pods = [name for name in own_names if len(name) < _CUT_AT and f"{name}-".startswith(tuple(known))]
    pod = next((name for name in (*pods, generated) if _names_attempt(index, attempt, name)), "")
    if generated and not nodes:
        node = generated.removeprefix(f"{execution}-").removesuffix(f"-{attempt}")
        nodes = (node,) if index is None else (node, f"n{index}")
    return (execution, *nodes) if nodes else (), pod


def _nodes(parameters: ExecutionParameters, attempt: int, index: int | None) -> tuple[str, ...]:
    """The node after its parents with their attempts, from where outputs go; empty where that tells nothing."""
    execution = parameters.execution_id
    root = f"{execution.project}-{execution.domain}-{execution.name}"
    _, found, path = (parameters.output_metadata_prefix or "").rstrip("/").rpartition(f"/{root}/")
    parts = path.split("/")
    if not found or len(parts) < 3 or parts[1] != "data":
        return ()
    nodes = [parts[0], *parts[2:]]
    if nodes[-1] == str(attempt):
        nodes.pop()
    if index is not None:
        if nodes[-1] == str(index):
            nodes.pop()
        nodes.append(f"n{index}")
    return tuple(nodes)


def _names_attempt(index: int | None, attempt: int, name: str) -> bool:
    """Whether a name is one element's of a map task, rather than that of all elements."""
    return index is None or bool(_HASHED.fullmatch(name)) or f"-n{index}-{attempt}-" in f"{name}-"


def _number(variable: str) -> int | None:
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else None


def _variable(*names: str) -> str:
    """The first of several variables that is set: the platform knows some by a short name, too."""
    return next((os.environ[name] for name in names if os.environ.get(name)), "")
