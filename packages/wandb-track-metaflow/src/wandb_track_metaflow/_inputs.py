"""The versions that a step read, as inputs of its run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from wandb_track_core import ArgumentError
from wandb_track_core.adapters import legal_artifact_name, use_artifact

from ._arguments import Arguments
from ._identity import Task
from ._notices import Notices
from ._origins import Origins
from ._outputs import key_alias
from ._watch import Read

if TYPE_CHECKING:
    import wandb

_THREADS = 8
STILL_SECONDS = 8.0
"""How long the server may give no answer at all before the links that are left are given up."""
_log = logging.getLogger("wandb_track_metaflow")


class Inputs:
    """Links what was read, while Metaflow stores what the step made: online, each takes a round trip or two."""

    def __init__(self, task: Task, arguments: Arguments) -> None:
        self._origins = Origins(task)
        self._arguments = arguments
        self._reads: list[Read] = []
        self._linked: dict[Read, Exception | None] = {}
        self._threads: list[Thread] = []

    def link(self, run: wandb.Run, reads: list[Read]) -> None:
        """Begin to link what was read."""
        capture = self._arguments.capture
        self._reads = [
            read for read in reads if read.kind != "summary" and capture.shows(read.name) and capture.wants(read.kind)
        ]
        waiting = iter(self._reads)
        for _ in self._reads[:_THREADS]:
            # Daemons: a server that does not answer must not keep the process alive.
            thread = Thread(target=self._link, args=(run, waiting), name="wandb-track: inputs", daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, notices: Notices) -> None:
        """Wait until all are linked. Where there is no such version, its step was not tracked, and there is no link."""
        self._origins.may_compare.set()
        seen, moved = (-1, -1), monotonic()
        while (alive := [one for one in self._threads if one.is_alive()]) and monotonic() - moved < STILL_SECONDS:
            alive[0].join(0.05)
            if (len(self._linked), self._origins.compared) != seen:
                seen, moved = (len(self._linked), self._origins.compared), monotonic()
        for read in self._reads:
            error = self._linked.get(read, TimeoutError("the server does not answer"))
            if isinstance(getattr(error, "exc", error), ValueError):  # the client wraps it in a CommError
                _log.debug("no version of %s is known under %s", read.name, key_alias(read.key))
            elif error is not None:
                notices.left_out("not linked as an input", read.name, error)

    def _link(self, run: wandb.Run, waiting: Iterator[Read]) -> None:
        for read in waiting:
            try:
                link_version(run, self._origins, read.name, read.key, read.kind)
                self._linked[read] = None
            except Exception as error:
                self._linked[read] = error


def link_version(
    run: wandb.Run, origins: Origins, name: str, key: str, kind: str | None = None
) -> wandb.Artifact | None:
    """Link the version of a variable that has a content key as an input of the run.

    Returns:
        The version, where the run is online.
    """
    try:
        key = origins.key_of(name, key)
    except Exception as error:  # it may have been logged under the key that it has
        _log.debug("where %s came from is not known: %s", name, error)
    return use_artifact(run, legal_artifact_name(name), key_alias(key), kind)


task: Task | None = None
"""The task of this process."""


def use_input(run: wandb.Run, name: str, load: bool) -> Any:
    """Link the one version of a variable that the task in this process has as its input.

    Returns:
        The variable's value, or the artifact.

    Raises:
        ArgumentError: The task has no such input, or several versions of it.
    """
    stored = {keys[name]: source for source, keys in (task.inputs if task else ()) if name in keys}
    if task is None or not stored:
        raise ArgumentError(
            "name", "must be a variable that this step has as its input", name, "Or give alias=, a version."
        )
    if len(stored) > 1:
        problem = f"{name!r} has {len(stored)} versions in the branches of this join"
        raise ArgumentError("name", problem, remedy=f"Read inputs[i].{name} instead.")
    ((key, source),) = stored.items()
    artifact = None
    if not run.disabled:
        origins = Origins(task)
        origins.may_compare.set()
        artifact = link_version(run, origins, name, key)
    if not load:
        return artifact
    return source[name] if task.is_join else getattr(task.flow, name)
