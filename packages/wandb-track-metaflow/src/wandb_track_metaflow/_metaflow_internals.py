"""All that this package takes from Metaflow beyond what Metaflow documents, in one place.

Each name is optional. Where a version of Metaflow has moved one, what hangs on it is off, one line says so, and
everything else goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

from wandb_track_core.adapters import notify_once

F = TypeVar("F", bound=Callable[..., Any])

_STORED = "offline runs of remote tasks are not stored in the datastore"
_OWN_WINS = "@wandb_log of a derived flow does not replace that of its base"
_NOT_LINKED = "inputs are not linked"
NAMES = {
    # Names without a function of their own below; `optional` adds the others.
    "load_data": "reading references",
    **dict.fromkeys(("_save_file", "_path", "_metadata_name_for_attempt"), _STORED),
    "_my_step": _OWN_WINS,
    "get_storage_root": "cards",
}
"""What this package uses, and what is lost where a version of Metaflow lacks it."""

_PACKED = (".py", ".css", ".js")
_MOVED = (AttributeError, ImportError, TypeError, ValueError, LookupError, NotImplementedError)
"""What a name raises that is missing, or is something else than it was. All else is a fault of its own."""


def optional(name: str, otherwise: Any, lost: str) -> Callable[[F], F]:
    """Declare that a function uses something of Metaflow's: where that fails, one line says so, and all else goes on.

    Args:
        name: What it uses; added to `NAMES`.
        otherwise: What the function returns where that fails.
        lost: What is off then, for the line.
    """
    NAMES[name] = lost

    def decorate(use: F) -> F:
        @wraps(use)
        def call(*given: Any) -> Any:
            try:
                return use(*given)
            except _MOVED as fault:
                from metaflow import __version__

                reason = f"Metaflow {__version__} has no usable {name} ({type(fault).__name__}: {fault})"
                notify_once(f"off in this flow: {lost}. {reason}. Please report this line to wandb-track.", key=name)
                return otherwise

        return cast("F", call)

    return decorate


@optional("items", {}, "artifacts have no content key, so no lineage")
def content_keys(datastore: Any) -> Mapping[str, str]:
    """The content key of each variable in a task's datastore, the task's own or one of its inputs."""
    return dict(datastore.items())


@optional("load_artifacts", None, _NOT_LINKED)
def watch_loads(datastore: Any, see: Callable[[str, Any], None]) -> None:
    """Have a function told of each variable that a datastore loads."""
    if not is_spun(datastore):
        datastore.load_artifacts = _WatchedLoad(datastore, see)


class _WatchedLoad:
    """Stands in for a datastore's `load_artifacts`. Values pass by; they are not held."""

    def __init__(self, datastore: Any, see: Callable[[str, Any], None]) -> None:
        self._datastore, self._load, self._see = datastore, datastore.load_artifacts, see

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


@optional("_foreach_stack", (), "runs of a foreach look alike")
def places(flow: Any) -> tuple[tuple[str, int, str], ...]:
    """The task's place in each `foreach` around it, the outermost first: variable, index, element as a str."""
    return tuple((frame.var, int(frame.index or 0), frame.value or "") for frame in flow._foreach_stack or ())


@optional("_parallel_ubf_iter", None, "ranks= has no effect")
def node_of(flow: Any) -> tuple[int, int] | None:
    """The task's place among the nodes of a `num_parallel` step, and how many there are; None in all other steps."""
    for variable, index, _ in places(flow)[-1:]:
        if variable == "_parallel_ubf_iter":
            return index, int(flow._parallel_ubf_iter.num_parallel)
    return None


@optional("_storage_impl", False, _STORED)
def outlives_machine(datastore: Any) -> bool:
    """Whether what is put into a task's datastore is still there when the task's machine is gone.

    A local datastore may be on a shared disk; the variable `WANDB_TRACK_STORE=always` says so.
    """
    is_shared = os.environ.get("WANDB_TRACK_STORE") == "always"
    return is_shared or datastore._storage_impl.TYPE not in ("local", "spin")


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


@optional("parent_datastore", {}, "cards; ids by deployment; references")
def store_of(datastore: Any) -> dict[str, str]:
    """The kind of a task's datastore, its root, and the flow; empty where that is not known."""
    parent = datastore.parent_datastore
    kind, root = parent.TYPE, parent.datastore_root
    return {"datastore": str(kind), "root": str(root), "flow": parent.flow_name}


def stored_at(datastore: Any, key: str) -> tuple[str, int]:
    """Where Metaflow stores what has a content key: the object's address and size."""
    parent = datastore.parent_datastore
    storage = parent._storage_impl
    path = storage.path_join(parent.flow_name, "data", key[:2], key)
    return str(storage.full_uri(path)), int(storage.size_file(path))


def read_stored(details: Mapping[str, Any]) -> tuple[bytes, Callable[[], Any]]:
    """The bytes of a stored variable, and what makes the value of them.

    Args:
        details: "datastore" (its kind), "root", "flow", "run", "step", "task", "attempt", "variable" and "key".

    Raises:
        Exception: What Metaflow raises where it cannot be read.
    """
    from metaflow.datastore.flow_datastore import FlowDataStore
    from metaflow.plugins import DATASTORES

    class Blobs(dict[str, bytes]):
        """What was read, so that it is read once."""

        load_key, store_key = dict.get, dict.__setitem__

    kind = next(each for each in DATASTORES if details["datastore"] == each.TYPE)
    store = cast("Any", FlowDataStore)(details["flow"], storage_impl=kind, ds_root=details["root"])
    store.ca_store.set_blob_cache(blobs := Blobs())
    key = details["key"]
    contents = next(blob for _, blob in store.load_data([key]))
    blobs[key] = contents
    names = (str(details[name]) for name in ("run", "step", "task"))
    return contents, lambda: store.get_task_datastore(*names, attempt=details["attempt"])[details["variable"]]


def find_task(pathspec: str) -> Any:
    """A task of Metaflow's client, whichever namespace it is in."""
    from metaflow.client.core import Task

    return _foreign_task(pathspec) or Task(pathspec)


@optional("_namespace_check", None, "lineage across namespaces")
def _foreign_task(pathspec: str) -> Any:
    from metaflow.client.core import Task

    return Task(pathspec, _namespace_check=False)


@optional("MetaDatum", None, "`wandb-run-id` and others")
def register(task: Any, facts: Mapping[str, str]) -> None:
    """Tell Metaflow facts about a task, shown in its UI and by `Task(...).metadata_dict`."""
    from metaflow.metadata_provider.metadata import MetaDatum

    data = [MetaDatum(name, value, name, [f"attempt_id:{task.attempt}"]) for name, value in facts.items()]
    task.metadata.register_metadata(task.run_id, task.step, task.task_id, data)


@optional("inserted_by", False, _OWN_WINS)
def is_inserted(step: Any, name: str) -> bool:
    """Whether a step has a decorator of this name that a flow added to it."""
    return any(each.name == name and each.inserted_by for each in step._my_step.decorators)


@optional("DelayEvaluator", False, "Config in arguments")
def is_delayed(value: Any) -> bool:
    """Whether an argument is an expression over the flow's `Config`, known only once that was read."""
    from metaflow.user_configs.config_parameters import DelayEvaluator

    return isinstance(value, DelayEvaluator)


def parameter_names() -> tuple[str, ...]:
    """The names of the flow's parameters and configs."""
    from metaflow.metaflow_current import current

    return tuple(current.get("parameter_names", None) or ())


@optional("load_artifacts", {}, _NOT_LINKED)
def parameters(task_input: Any) -> Mapping[str, Any]:
    """The flow's parameters and configs by name, as Metaflow stores them: a file that was included stays unread."""
    names = parameter_names()
    return {name: task_input[name] for name in names} if is_spun(task_input) else dict(task_input.load_artifacts(names))


@optional("descriptor", None, "IncludeFiles in the config")
def included_file(value: Any) -> Mapping[str, Any] | None:
    """Of an `IncludeFile`: its stored name's hash (SHA-1 of the contents) and size in bytes; None for anything else."""
    from metaflow.includefile import IncludedFile

    if not isinstance(value, IncludedFile):
        return None
    return {"sha1": str(value.descriptor["url"]).rpartition("/")[2], "size": value.size}


@optional("UI_URL", "", "links to Metaflow's UI")
def ui_url() -> str:
    """Where the user's Metaflow has a UI; empty where it has none."""
    from metaflow.metaflow_config import UI_URL

    return (UI_URL or "").rstrip("/")


@optional("SPIN_ALLOWED_DECORATORS", False, "quiet runs under spin")
def spin_runs(decorator: str) -> bool:
    """Whether `spin` runs a decorator."""
    from metaflow.metaflow_config import SPIN_ALLOWED_DECORATORS

    return decorator in SPIN_ALLOWED_DECORATORS


@optional("ContentType", (), "remote tasks need wandb-track itself")
def packed(*packages: str) -> Sequence[tuple[str, str, Any]]:
    """The files of packages, as Metaflow's code package takes them.

    They are named one by one: given a module, Metaflow would pack the `__init__.py` of a package alone.
    """
    from metaflow.packaging_sys import ContentType

    return [
        (str(path), path.relative_to(root.parent).as_posix(), ContentType.CODE_CONTENT)
        for root in (Path(str(files(name))) for name in packages)
        for path in sorted(root.rglob("*"))
        if path.suffix in _PACKED
    ]


@optional("save_card", None, "cards")
def card_saver(task: Any, kind: str) -> Callable[[str], object] | None:
    """What saves a task's card where Metaflow looks for it: there it replaces an earlier one, also of another attempt.

    Metaflow looks below the folder in which the task was started: ask for this before the step's code may leave it.
    """
    from hashlib import sha1
    from types import SimpleNamespace

    from metaflow.plugins.cards.card_datastore import CardDatastore

    parent, store = task.datastore.parent_datastore, cast("Any", CardDatastore)
    storage = type(parent._storage_impl)
    home = SimpleNamespace(_storage_impl=storage(store.get_storage_root(storage.TYPE)), flow_name=parent.flow_name)
    name = sha1(task.pathspec.encode(), usedforsecurity=False).hexdigest()
    return partial(store(home, task.pathspec).save_card, name, kind)


def is_remote() -> bool:
    """Whether this is a task on a machine that Metaflow had started for it, such as a pod."""
    env = os.environ
    is_pod = env.get("METAFLOW_RUNTIME_ENVIRONMENT", "local") != "local"
    return is_pod or "METAFLOW_KUBERNETES_WORKLOAD" in env or "AWS_BATCH_JOB_ID" in env
