"""Where a variable came from that other steps have handed on.

A step without tracking, or one in a branch, may have read a variable, and Metaflow then stored it again: nothing
changed, but for an estimator, a module, or a frame with dates the bytes did, and with them the content key. Under the
new key no tracked step has logged a version. So the way of the variable is followed back, as long as its contents are
the same: tracked steps tell Metaflow which key they had read, and what others stored is loaded and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ._datastore import content_keys, is_in_branch, is_tracked
from ._outputs import key_alias
from ._reads import fingerprint

_TOLD = ("wandb-artifacts", "wandb-stored-again")
MAX_COMPARED = 50
"""Variables that are loaded for comparison, for each variable that was read."""


class Origins:
    """Finds the content keys under which variables were logged.

    Args:
        flow: The flow object.
        inputs: The datastores of the tasks before this one.
    """

    def __init__(self, flow: Any, inputs: list[Any]) -> None:
        self._flow = flow
        self._inputs = inputs
        self._parents: dict[str, list[Any]] = {}

    def key_of(self, name: str, key: str, print: Callable[[], bytes | None]) -> str:
        """The content key under which a tracked step made a variable.

        Args:
            name: The variable.
            key: The content key that the step has it under; the answer where no other is known.
            print: Gives the value's fingerprint.
        """
        origin = next((one for one in self._inputs if content_keys(one).get(name) == key), None)
        if origin is None or (is_tracked(self._flow) and not is_in_branch(self._flow)):
            return key
        from metaflow.client.core import Task

        task, compared = Task(f"{self._flow.name}/{origin.pathspec}"), 0
        while True:
            told = {each: json.loads(text) for each, text in task.metadata_dict.items() if each in _TOLD}
            if (name, key_alias(key)) in {
                (made["variable"], made["alias"]) for made in told.get("wandb-artifacts", ())
            }:
                return key
            key = told.get("wandb-stored-again", {}).get(name, key)
            before = [(parent, parent[name]) for parent in self._before(task) if name in parent]
            found = next((parent for parent, stored in before if stored.sha == key), None)
            if found is None:
                for parent, stored in before[: MAX_COMPARED - compared]:
                    compared += 1
                    if fingerprint(stored.data) == print():
                        found, key = parent, stored.sha
                        break
            if found is None:
                return key
            task = found

    def _before(self, task: Any) -> list[Any]:
        if task.pathspec not in self._parents:
            self._parents[task.pathspec] = list(task.parent_tasks)
        return self._parents[task.pathspec]
