"""All that this package takes from Metaflow beyond what Metaflow documents, in one place.

Each name is optional. Where a version of Metaflow has moved one, what hangs on it is off, one line says so, and
everything else goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Name(NamedTuple):
    """Something of Metaflow's that it does not document.

    Attributes:
        where: The module, and the class in it, that have it.
        name: What it is called there.
        purpose: What it is used for.
        lost: What users lose where it is missing.
    """

    where: str
    name: str
    purpose: str
    lost: str


_TASK_STORE = "metaflow.datastore.task_datastore:TaskDataStore"
_STORED = "offline runs of remote tasks are not stored in the datastore"
_OWN_WINS = "@wandb_log of a derived flow does not replace that of its base"
NAMES = (
    Name(_TASK_STORE, "items", "content keys of a task's variables", "artifacts have no content key, so no lineage"),
    Name(_TASK_STORE, "load_artifacts", "to see what a step reads", "inputs are not linked"),
    Name(_TASK_STORE, "parent_datastore", "where cards and the datastore's root are", "cards; ids by deployment"),
    Name(_TASK_STORE, "_storage_impl", "whether data outlive the machine; to store files", _STORED),
    Name(_TASK_STORE, "_save_file", "to store an offline run beside the task's logs", _STORED),
    Name(_TASK_STORE, "_path", "the address of what was stored", _STORED),
    Name(_TASK_STORE, "_metadata_name_for_attempt", "the address of what was stored", _STORED),
    Name("metaflow.flowspec:FlowSpec", "_foreach_stack", "a task's siblings", "runs of a foreach look alike"),
    Name("metaflow.flowspec:FlowSpec", "_parallel_ubf_iter", "num_parallel", "ranks= has no effect"),
    Name("metaflow.graph:DAGNode", "type", "to tell joins from other steps", "a join's summary lacks what it picks"),
    Name("metaflow.client.core:MetaflowObject", "_namespace_check", "foreign namespaces", "lineage across namespaces"),
    Name("metaflow.metadata_provider.metadata", "MetaDatum", "to tell Metaflow of runs", "`wandb-run-id` and others"),
    Name("metaflow.user_decorators.mutable_step:MutableStep", "_my_step", "whose decorator it is", _OWN_WINS),
    Name("metaflow.decorators:Decorator", "inserted_by", "whose decorator it is", _OWN_WINS),
    Name("metaflow.user_configs.config_parameters", "DelayEvaluator", "Config in arguments", "Config in arguments"),
    Name("metaflow.includefile:IncludedFile", "descriptor", "hash of an IncludeFile", "IncludeFiles in the config"),
    Name("metaflow.metaflow_config", "UI_URL", "links to Metaflow's UI", "links to Metaflow's UI"),
    Name("metaflow.metaflow_config", "SPIN_ALLOWED_DECORATORS", "whether spin tracks", "quiet runs under spin"),
    Name("metaflow.packaging_sys", "ContentType", "to pack wandb-track's code", "remote tasks need wandb-track itself"),
    Name("metaflow.plugins.cards.card_datastore:CardDatastore", "save_card", "cards", "cards"),
    Name("metaflow.plugins.cards.card_datastore:CardDatastore", "get_storage_root", "cards", "cards"),
)
"""What this package uses, for what, and what is lost without it."""


def optional(name: str, use: Callable[[], T], otherwise: T) -> T:
    """Use something of Metaflow's; where that fails, say once what is lost, and go on.

    Args:
        name: One of `NAMES`.
        use: Uses it.
        otherwise: The answer where that fails.
    """
    try:
        return use()
    except Exception as fault:
        from metaflow import __version__

        from ._notices import notify_once

        lost = next(each.lost for each in NAMES if each.name == name)
        reason = f"Metaflow {__version__} has no usable {name} ({type(fault).__name__}: {fault})"
        notify_once(f"off in this flow: {lost}. {reason}. Please report this line to wandb-track.", key=name)
        return otherwise


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
    return optional("items", lambda: dict(datastore.items()), {})


def watch_loads(datastore: Any, see: Callable[[str, Any], None]) -> None:
    """Have a function told of each variable that a datastore loads."""
    if not is_spun(datastore):
        optional("load_artifacts", lambda: setattr(datastore, "load_artifacts", _WatchedLoad(datastore, see)), None)


class _WatchedLoad:
    """Stands in for a datastore's `load_artifacts`. Values pass by; they are not held."""

    def __init__(self, datastore: Any, see: Callable[[str, Any], None]) -> None:
        self._datastore = datastore
        self._load = datastore.load_artifacts
        self._see = see

    def __call__(self, *given: Any, **named: Any) -> Iterator[tuple[str, Any]]:
        return map(self._look, self._load(*given, **named))

    def __reduce__(self) -> Any:
        # The flow's class holds the datastore, and users pickle that class.
        return getattr, (self._datastore, "load_artifacts")

    def _look(self, pair: tuple[str, Any]) -> tuple[str, Any]:
        self._see(*pair)
        return pair


def unwatch_loads(datastore: Any) -> None:
    """Leave a datastore as it was."""
    vars(datastore).pop("load_artifacts", None)


def is_spun(datastore: Any) -> bool:
    """Whether this is what `spin` reads a step's inputs from, which loads each variable in its own way."""
    return hasattr(datastore, "spin_artifacts")


def is_join(graph: Any, step: str) -> bool:
    """Whether a step joins branches."""
    return optional("type", lambda: bool(graph[step].type == "join"), False)


def places(flow: Any) -> tuple[Place, ...]:
    """The task's place in each `foreach` around it, the outermost first."""
    return optional(
        "_foreach_stack",
        lambda: tuple(Place(frame.var, int(frame.index or 0), frame.value or "") for frame in flow._foreach_stack),
        (),
    )


def node_of(flow: Any) -> tuple[int, int] | None:
    """The task's place among the nodes of a `num_parallel` step, and how many there are; None in all other steps."""
    stack = places(flow)
    if not stack or stack[-1].variable != "_parallel_ubf_iter":
        return None
    return optional("_parallel_ubf_iter", lambda: (stack[-1].position, int(flow._parallel_ubf_iter.num_parallel)), None)


def deployment_of(datastore: Any) -> str:
    """The root of the datastore, which tells one deployment of Metaflow from another."""
    return optional("parent_datastore", lambda: str(datastore.parent_datastore.datastore_root), "")


def outlives_machine(datastore: Any) -> bool:
    """Whether what is put into a task's datastore is still there when the task's machine is gone.

    A local datastore may be on a shared disk; the variable `WANDB_TRACK_STORE=always` says so.
    """
    if os.environ.get("WANDB_TRACK_STORE") == "always":
        return True
    return optional("_storage_impl", lambda: bool(datastore._storage_impl.TYPE not in ("local", "spin")), False)


def save_file(datastore: Any, path: Path) -> str:
    """Keep a file beside a task's logs in the datastore, under the attempt's number; returns its address.

    Raises:
        OSError: What was stored has another size.
        Exception: What the datastore raises.
    """
    with path.open("rb") as file:
        datastore._save_file({path.name: file})
    storage = datastore._storage_impl
    inside = storage.path_join(datastore._path, datastore._metadata_name_for_attempt(path.name))
    stored, size = storage.size_file(inside), path.stat().st_size
    if stored != size:
        raise OSError(f"{stored} of {size} bytes of {path.name} were stored")
    return str(storage.full_uri(inside))


def find_task(pathspec: str) -> Any:
    """A task of Metaflow's client, whichever namespace it is in."""
    from metaflow.client.core import Task

    return optional("_namespace_check", lambda: Task(pathspec, _namespace_check=False), None) or Task(pathspec)


def register(task: Any, facts: Mapping[str, str]) -> None:
    """Tell Metaflow facts about a task, shown in its UI and by `Task(...).metadata_dict`."""

    def data() -> list[Any]:
        from metaflow.metadata_provider.metadata import MetaDatum

        return [MetaDatum(name, value, name, [f"attempt_id:{task.attempt}"]) for name, value in facts.items()]

    if made := optional("MetaDatum", data, []):
        task.metadata.register_metadata(task.run_id, task.step, task.task_id, made)


def is_inserted(step: Any, name: str) -> bool:
    """Whether a step has a decorator of this name that a flow added to it."""
    return optional(
        "inserted_by",
        lambda: any(each.name == name and each.inserted_by for each in step._my_step.decorators),
        False,
    )


def is_delayed(value: Any) -> bool:
    """Whether an argument is an expression over the flow's `Config`, known only once that was read."""

    def ask() -> bool:
        from metaflow.user_configs.config_parameters import DelayEvaluator

        return isinstance(value, DelayEvaluator)

    return optional("DelayEvaluator", ask, False)


def parameter_names() -> tuple[str, ...]:
    """The names of the flow's parameters and configs."""
    from metaflow.metaflow_current import current

    return tuple(current.get("parameter_names", None) or ())


def parameters(task_input: Any) -> dict[str, Any]:
    """The flow's parameters and configs by name, as Metaflow stores them: a file that was included stays unread."""
    names = parameter_names()
    if is_spun(task_input):
        return {name: task_input[name] for name in names}
    return optional("load_artifacts", lambda: dict(task_input.load_artifacts(names)), {})


def included_file(value: Any) -> dict[str, Any] | None:
    """Of an `IncludeFile`: its stored name's hash (SHA-1 of the contents) and size in bytes; None for anything else."""
    from metaflow.includefile import IncludedFile

    if not isinstance(value, IncludedFile):
        return None
    digest = optional("descriptor", lambda: str(value.descriptor["url"]).rpartition("/")[2], "")
    return {"sha1": digest, "size": value.size}


def ui_url() -> str:
    """Where the user's Metaflow has a UI; empty where it has none."""

    def ask() -> str:
        from metaflow.metaflow_config import UI_URL

        return UI_URL or ""

    return optional("UI_URL", ask, "").rstrip("/")


def spin_runs(decorator: str) -> bool:
    """Whether `spin` runs a decorator."""

    def ask() -> bool:
        from metaflow.metaflow_config import SPIN_ALLOWED_DECORATORS

        return decorator in SPIN_ALLOWED_DECORATORS

    return optional("SPIN_ALLOWED_DECORATORS", ask, False)


def packed(*packages: str) -> Iterator[tuple[str, str, Any]]:
    """The files of packages, as Metaflow's code package takes them.

    They are named one by one: given a module, Metaflow would pack the `__init__.py` of a package alone.
    """
    from importlib.util import find_spec

    def code() -> Any:
        from metaflow.packaging_sys import ContentType

        return ContentType.CODE_CONTENT

    kind = optional("ContentType", code, None)
    for package in packages if kind is not None else ():
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            for path in sorted(Path(folder).rglob("*.py")):
                yield str(path), path.relative_to(Path(folder).parent).as_posix(), kind


def is_remote() -> bool:
    """Whether this is a task on a machine that Metaflow had started for it, such as a pod."""
    env = os.environ
    is_pod = env.get("METAFLOW_RUNTIME_ENVIRONMENT", "local") != "local"
    return is_pod or "METAFLOW_KUBERNETES_WORKLOAD" in env or "AWS_BATCH_JOB_ID" in env
