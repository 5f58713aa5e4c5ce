"""Where a variable came from that other steps have handed on.

A step that reads a variable has Metaflow store it again: nothing changed, but for an estimator, a module, or a frame
with dates the bytes may, and with them the content key. Under the new key no tracked step has logged a version. So the
way of the variable is followed back, as long as its contents are the same: tracked steps tell Metaflow which key they
had read, and what others stored is loaded and compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from threading import Event, Lock
from typing import Any

from ._contents import digest_of
from ._identity import Task
from ._metaflow_internals import find_task
from ._outputs import key_alias

MAX_COMPARED = 50
"""Variables that are loaded for comparison, for each variable that was read."""


class Origins:
    """Finds the content keys under which variables were logged.

    Args:
        task: The task whose inputs are asked for.

    Attributes:
        may_compare: Set once values may be loaded, which is when Metaflow has let go of the step's own.
        compared: How many were.
    """

    def __init__(self, task: Task) -> None:
        self.may_compare = Event()
        self.compared = 0
        self._task = task
        self._tasks: dict[str, _EarlierTask] = {}
        self._lock = Lock()

    def key_of(self, name: str, key: str) -> str:
        """The content key under which a tracked step made a variable.

        Args:
            name: The variable.
            key: The content key that the step has it under; the answer where no other is known.
        """
        origin = self._task.source_of(name, key)
        if origin is None:
            return key
        task, mine, left = self._find(f"{self._task.flow.name}/{origin.pathspec}"), None, MAX_COMPARED
        while (name, key_alias(key)) not in task.made:
            key = task.stored_again.get(name, key)
            before = [(parent, parent.task[name]) for parent in self._before(task) if name in parent.task]
            found = next((parent for parent, stored in before if stored.sha == key), None)
            for parent, stored in before[: left if found is None else 0]:
                left -= 1
                self.may_compare.wait()
                with self._lock:
                    self.compared += 1
                    mine = mine or digest_of(name, origin[name])
                    if mine is not None and mine == digest_of(name, stored.data):
                        found, key = parent, stored.sha
                        break
            if found is None:
                return key
            task = found
        return key

    def _find(self, pathspec: str) -> _EarlierTask:
        if pathspec not in self._tasks:
            self._tasks[pathspec] = _EarlierTask(find_task(pathspec))
        return self._tasks[pathspec]

    def _before(self, earlier: _EarlierTask) -> list[_EarlierTask]:
        return [self._tasks.setdefault(each.pathspec, _EarlierTask(each)) for each in earlier.parents]


class _EarlierTask:
    """A task that has ended, and what its tracking registered with Metaflow."""

    def __init__(self, task: Any) -> None:
        self.task = task

    @cached_property
    def parents(self) -> list[Any]:
        """The tasks before it."""
        return list(self.task.parent_tasks)

    @cached_property
    def made(self) -> set[tuple[str, str]]:
        """Variable and alias of each artifact that it logged."""
        return {(made["variable"], made["alias"]) for made in json.loads(self._facts.get("wandb-artifacts", "[]"))}

    @property
    def stored_again(self) -> Any:
        """By name, the key of what it read, did not change, and has stored under another."""
        return json.loads(self._facts.get("wandb-stored-again", "{}"))

    @cached_property
    def _facts(self) -> Mapping[str, str]:
        facts: Mapping[str, str] = self.task.metadata_dict
        return facts
