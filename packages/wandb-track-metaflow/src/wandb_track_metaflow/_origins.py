"""Where a variable came from that steps without tracking have handed on.

Such a step may have read a variable, and Metaflow then stored it again: nothing changed, but for an estimator, a
module, or a DataFrame of texts the bytes did, and with them the content key. Under the new key no tracked step has
logged a version. So its way is followed back, through steps without tracking only, as long as its contents are the
same.
"""

from __future__ import annotations

from typing import Any

from ._datastore import content_keys, is_tracked
from ._reads import Read, fingerprint

MAX_COMPARED = 50
"""Variables that are loaded for comparison, for each variable that was read."""


def original_key(flow: Any, inputs: list[Any], read: Read) -> str:
    """The content key under which a tracked step made what was read; its own where nothing else is known.

    Args:
        flow: The flow object.
        inputs: The datastores of the tasks before this one.
        read: What was read.
    """
    key = read.key
    task: Any = next((one for one in inputs if content_keys(one).get(read.name) == key), None)
    if task is None or is_tracked(flow, task.step_name):
        return key
    from metaflow.client.core import Task

    task = Task(f"{flow.name}/{task.pathspec}")
    compared = 0
    while task is not None and not is_tracked(flow, task.path_components[2]):
        before = [(parent, parent[read.name]) for parent in task.parent_tasks if read.name in parent]
        task = next((parent for parent, stored in before if stored.sha == key), None)
        for parent, stored in before if task is None else ():
            compared += 1
            if compared > MAX_COMPARED:
                return key
            if fingerprint(stored.data) == read.print:
                task, key = parent, stored.sha
                break
    return key
