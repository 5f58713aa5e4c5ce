"""What a step reads: the names and content keys of the variables that its datastores load, never their values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from wandb_track_core.adapters import fuse
from wandb_track_serializers import kind_of

from ._identity import Task
from ._metaflow_internals import content_keys, parameter_names, unwatch_loads, watch_loads


class Read(NamedTuple):
    """A variable that was read.

    Attributes:
        name: The variable.
        key: The content key of what was read.
        kind: What its value is: "dataset", "model", "other" or "summary".
        is_own: Whether it was read from the flow, rather than from one of the branches that a join joins.
    """

    name: str
    key: str
    kind: str
    is_own: bool


class Reads:
    """Sees what the datastores of a task load.

    Metaflow's own looks are reads as well: `hasattr(self, "x")` and `self.next(foreach="x")` load x.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._hidden: frozenset[str] = frozenset()
        self._keys = {id(source): keys for source, keys in task.inputs}
        self._versions: dict[tuple[str, str], Read] = {}
        self._loaded: dict[tuple[str, int], Read] = {}

    def start(self) -> None:
        """Begin to watch."""
        self._hidden = frozenset(parameter_names())
        for datastore in self._datastores():
            watch_loads(datastore, partial(self._see, datastore))

    def stop(self) -> None:
        """Leave the datastores as they were."""
        for datastore in self._datastores():
            unwatch_loads(datastore)

    def versions(self) -> list[Read]:
        """What was read: one for each name and content key."""
        return list(self._versions.values())

    def of(self, name: str, value: Any) -> Read | None:
        """The read that gave a variable this very object, which may have been changed since."""
        return self._loaded.get((name, id(value)))

    def _datastores(self) -> list[Any]:
        return [*(source for source, _ in self._task.inputs), self._task.datastore]

    def _see(self, datastore: Any, name: str, value: Any) -> None:
        if name.startswith("_") or name in self._hidden:
            return
        with fuse("noting what the step reads"):
            # What a join has merged is read from the task's own datastore, whose keys change.
            keys: Mapping[str, str] = self._keys.get(id(datastore)) or content_keys(datastore)
            key = keys.get(name)
            if key is not None:
                is_own = not self._task.is_join or datastore is self._task.datastore
                read = Read(name, key, kind_of(value), is_own)
                self._versions[name, key] = self._loaded[name, id(value)] = read
