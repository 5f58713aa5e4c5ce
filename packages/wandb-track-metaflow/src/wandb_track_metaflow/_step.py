"""One tracked attempt of a step's task: what Metaflow's hooks do, in the order in which they are called."""

from __future__ import annotations

import atexit
import json
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import fuse, notify, notify_once, run_folder

from . import _inputs
from ._arguments import Arguments
from ._card import Card
from ._identity import Task, earlier_id_of, identity_of
from ._inputs import Inputs
from ._metaflow_internals import is_remote, outlives_machine, register, save_file, spin_runs
from ._notices import Notices
from ._outputs import Outputs, config_of
from ._watch import Reads

if TYPE_CHECKING:
    import wandb


class StepTracker:
    """Tracks one attempt of one task.

    Args:
        arguments: Of the step's `wandb_log`.
        task: The attempt.
    """

    def __init__(self, arguments: Arguments, task: Task) -> None:
        self.task = task
        self._arguments = arguments
        self._notices = Notices()
        self._reads = Reads(task)
        self._outputs = Outputs(task, arguments, self._notices)
        self._inputs = Inputs(task, arguments)
        self._tracked: TrackedRun | None = None
        self._has_ended = False
        self._error: BaseException | None = None
        self._card: Card | None = None
        self._stored: list[Path] = []

    def open(self) -> None:
        """Open the run. All other decorators have prepared the task by now: the key that they set is there.

        Raises:
            TrackError: The run cannot be opened for a reason that is the user's to mend.
            Exception: What the client raises for a mistake of the user's.
        """
        _inputs.task = self.task
        with alarm_stopped():
            with fuse("preparing the run"):
                self._tracked = self._prepare()
            (self._tracked.open if self._tracked else open_quiet_run)()
            run = self._run
            if run is not None:
                with fuse("opening the run"):
                    atexit.register(self._close_at_exit)
                    self._outputs.begin(run)
                    # An offline run's `url` prints a warning.
                    url = None if run.offline else run.url
                    where = {"wandb-run-url": url} if url else {"wandb-run-folder": str(run_folder(run))}
                    register(self.task, {"wandb-run-id": run.id, **where})
                    # From here on, rather than around the step's code: user step decorators read before and after it.
                    self._reads.start()
                    self._card = Card(self.task, run, self._arguments.card)

    def end(self, error: BaseException | None = None) -> None:
        """Take note of how the step's code ended, write out what it set, and begin to link what it read."""
        self._error = error
        run = None if self._has_ended else self._run
        self._has_ended = True
        if run is not None:
            with alarm_stopped():
                self._reads.stop()
                self._outputs.take(run, self._reads.of)
                self._inputs.link(run, self._reads.versions())

    def close(self, exit_code: int | None = None) -> None:
        """Log what the step made, under the content keys that Metaflow's datastore now knows, and close the run.

        Args:
            exit_code: The run's exit code; None takes the one that the step's error stands for.
        """
        run = self._run
        tracked, self._tracked = self._tracked, None
        if tracked is None:
            return
        atexit.unregister(self._close_at_exit)
        with alarm_stopped():
            try:
                if run is not None:
                    self._log(run)
            finally:
                tracked.close(self._error, exit_code)
                if self._card is not None:
                    self._card.finish(tracked.stored)
                if run is not None:
                    self._let_go(run_folder(run))
                for line in self._notices.lines():
                    notify(line)

    @property
    def _run(self) -> wandb.Run | None:
        """The run while it is open and tracks something."""
        return self._tracked.run if self._tracked is not None and self._tracked.is_tracked else None

    def _prepare(self) -> TrackedRun:
        arguments = self._arguments
        return TrackedRun(
            identity_of(self.task, arguments),
            api_key=arguments.key,
            store=self._store if outlives_machine(self.task.datastore) else None,
            in_container=is_remote(),
            config=config_of(self.task, arguments.capture),
            **earlier_id_of(self.task, arguments),
            **arguments.passed_on,
        )

    def _close_at_exit(self) -> None:
        """Close a run that is open still: where Metaflow cannot store a variable, it fails and tells no decorator."""
        self.close(1 if self._error is None else None)

    def _log(self, run: wandb.Run) -> None:
        if not self._has_ended:  # Metaflow tells no decorator of `sys.exit`, or of an interrupt
            self._error = sys.exc_info()[1]
            self._has_ended = True
            self._reads.stop()
            self._outputs.take_stored(run)
            self._inputs.link(run, self._reads.versions())
        logged = []
        try:
            logged = self._outputs.log(run)
        except TimeoutError as error:
            notify(f"what the step set is not logged, as the tracker does not answer: {error}")
        self._inputs.finish(self._notices)
        facts = {"wandb-artifacts": logged, "wandb-stored-again": self._outputs.stored_again}
        register(self.task, {name: json.dumps(value) for name, value in facts.items() if value})

    def _store(self, path: Path) -> str:
        address = save_file(self.task.datastore, path)
        register(self.task, {"wandb-run-stored": address})
        self._stored.append(path)
        return address

    def _let_go(self, folder: Path) -> None:
        """Delete the folders of runs that are stored elsewhere, where the disk is the task's alone."""
        keeps = not is_remote() if self._arguments.keep_local is None else self._arguments.keep_local
        for tar in () if keeps else self._stored:
            shutil.rmtree(folder.with_name(tar.stem), ignore_errors=True)


@contextmanager
def alarm_stopped() -> Iterator[None]:
    """Stop the clock: what tracking takes is not the step's time, and its alarm is the step's to hear."""
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, interval)


def open_quiet_run() -> wandb.Run:
    """Let `current_run()` and `wandb.log` be there, and do nothing, in a step that is not tracked."""
    return TrackedRun(TaskIdentity("metaflow", ""), mode="disabled").open()


@cache
def keep_quiet_in_spin() -> None:
    """Let the step run untracked where `spin` does not run `wandb_log`: its calls of W&B do nothing."""
    if "--skip-decorators" not in sys.argv and spin_runs("wandb_log"):
        return
    with fuse("preparing an untracked step"):
        open_quiet_run()
        notify_once(
            "spin runs this step without decorators, so it is not tracked, and W&B calls do nothing. To track it, add"
            ' "wandb_log" to the list METAFLOW_SPIN_ALLOWED_DECORATORS.'
        )
