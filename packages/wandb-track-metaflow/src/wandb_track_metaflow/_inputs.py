"""The versions that a step read, as inputs of its run."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._datastore import content_keys, datastore_of
from ._origins import Origins
from ._outputs import key_alias
from ._reads import fingerprint

if TYPE_CHECKING:
    import wandb

    from ._arguments import Arguments
    from ._identity import Task
    from ._reads import Read
    from ._remarks import Remarks

_THREADS = 8
STILL_SECONDS = 8.0
"""How long the server may give no answer at all before the links that are left are given up."""
_log = logging.getLogger("wandb_track_metaflow")


class Inputs:
    """Links what was read, while Metaflow stores what the step made: online, each takes a round trip or two."""

    def __init__(self, task: Task, arguments: Arguments) -> None:
        self._origins = Origins(task.flow, task.inputs)
        self._arguments = arguments
        self._reads: dict[tuple[str, str], Read] = {}
        self._waiting: deque[tuple[Read, str]] = deque()
        self._linked: dict[tuple[str, str], Exception | None] = {}
        self._threads: list[Thread] = []

    def link(self, run: wandb.Run, reads: list[Read]) -> None:
        """Begin to link what was read."""
        for read in reads:
            version = read.name, read.key
            kind = self._kind(read)
            if kind is not None and version not in self._reads:
                self._reads[version] = read
                self._waiting.append((read, kind))
        for _ in range(min(_THREADS, len(self._waiting))):
            # Daemons: a server that does not answer must not keep the process alive.
            thread = Thread(target=self._link_waiting, args=(run,), name="wandb-track: inputs", daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, remarks: Remarks) -> None:
        """Wait until all are linked. Where there is no such version, its step was not tracked, and there is no link."""
        seen, moved = -1, monotonic()
        while (alive := [one for one in self._threads if one.is_alive()]) and monotonic() - moved < STILL_SECONDS:
            alive[0].join(0.05)
            if len(self._linked) != seen:
                seen, moved = len(self._linked), monotonic()
        self._waiting.clear()
        for name, key in self._reads:
            error = self._linked.get((name, key), TimeoutError("the server does not answer"))
            if isinstance(getattr(error, "exc", error), ValueError):  # the client wraps it in a CommError
                _log.debug("no version of %s is known under %s", name, key_alias(key))
            elif error is not None:
                remarks.left_out(name, f"it could not be linked as an input: {error}")

    def _link_waiting(self, run: wandb.Run) -> None:
        while self._waiting:
            try:
                read, kind = self._waiting.popleft()
            except IndexError:  # another thread has taken the last one
                return
            self._linked[read.name, read.key] = self._link_one(run, read, kind)

    def _link_one(self, run: wandb.Run, read: Read, kind: str) -> Exception | None:
        try:
            key = self._origins.key_of(read.name, read.key, lambda: read.print)
            use_version(run, read.name, key_alias(key), kind)
        except Exception as error:
            return error
        return None

    def _kind(self, read: Read) -> str | None:
        from wandb_track_serializers import kind_of

        kind = kind_of(read.value) if self._arguments.lets_through(read.name) else "summary"
        return kind if kind != "summary" and self._arguments.wants(kind) else None


def use_version(run: wandb.Run, name: str, alias: str, kind: str | None = None) -> wandb.Artifact | None:
    """Link a version as an input of the run; returns it where the run is online."""
    from wandb_track_core.adapters import legal_artifact_name, use_artifact

    return use_artifact(run, legal_artifact_name(name), alias, kind)


task: Task | None = None
"""The task of this process."""


def input_of(name: str) -> tuple[Any, str, Callable[[], Any]]:
    """The one version of a variable that the task in this process has as its input.

    Returns:
        The task, the version's content key, and what loads its value.

    Raises:
        ArgumentError: There is none, or there are several.
    """
    from wandb_track_core import ArgumentError

    stored = {content_keys(one)[name]: one for one in (task.inputs if task else ()) if name in content_keys(one)}
    if task is None or not stored:
        raise ArgumentError(
            "name", "must be a variable that this step has as its input", name, "Or give alias=, a version."
        )
    if len(stored) > 1:
        problem = f"{name!r} has {len(stored)} versions in the branches of this join"
        raise ArgumentError("name", problem, remedy=f"Read inputs[i].{name} instead.")
    ((key, datastore),) = stored.items()
    flow = task.flow
    return task, key, (lambda: getattr(flow, name)) if datastore_of(flow) is datastore else (lambda: datastore[name])


def use_input(run: wandb.Run, name: str, load: bool) -> Any:
    """Link a variable of the flow as an input of the run; returns its value, or the artifact."""
    current, key, value = input_of(name)
    artifact = None
    if not run.disabled:
        key = Origins(current.flow, current.inputs).key_of(name, key, lambda: fingerprint(value()))
        artifact = use_version(run, name, key_alias(key))
    return value() if load else artifact
