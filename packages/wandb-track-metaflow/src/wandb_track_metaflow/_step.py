"""One tracked attempt of a step's task: what Metaflow's hooks do, in the order in which they are called."""

from __future__ import annotations

import atexit
import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core import TrackedRun, TrackerFaultError
from wandb_track_core.adapters import notify, run_folder

from . import _inputs
from ._clock import alarm_stopped
from ._datastore import content_keys, is_in_branch, outlives_machine, save_file
from ._identity import Task, identity_of
from ._inputs import Inputs
from ._outputs import Outputs
from ._parameters import config_of
from ._reads import Reads
from ._remarks import Remarks

if TYPE_CHECKING:
    import wandb

    from ._arguments import Arguments


class StepTracker:
    """Tracks one attempt of one task.

    Args:
        arguments: Of the step's `wandb_log`.
        task: The attempt.
    """

    def __init__(self, arguments: Arguments, task: Task) -> None:
        self.task = task
        self._arguments = arguments
        self._remarks = Remarks()
        self._reads = Reads(task.flow)
        self._outputs = Outputs(task.flow, arguments)
        self._inputs = Inputs(task, arguments)
        self._tracked: TrackedRun | None = None
        self._error: BaseException | None = None
        self._exit_code: int | None = 1

    def open(self) -> None:
        """Open the run. All other decorators have prepared the task by now: the key that they set is there."""
        _inputs.task = self.task
        arguments = self._arguments
        with alarm_stopped():
            self._tracked = TrackedRun(
                identity_of(self.task, arguments),
                api_key=arguments.key if arguments.api_key or arguments.secret else None,
                settings=arguments.settings,
                on_error=arguments.on_error,
                init_timeout=arguments.init_timeout,
                finish_timeout=arguments.finish_timeout,
                ranks=arguments.ranks,
                store=self._store if outlives_machine(self.task.datastore) else None,
                project=arguments.project,
                entity=arguments.entity,
                mode=arguments.mode,
                tags=arguments.tags,
                resume=arguments.resume,
                config=config_of(self.task, arguments),
            )
            run = self._tracked.open()
            if self._tracked.is_tracked:
                atexit.register(self._close_at_exit)
                self._outputs.begin(run)
                where = {"wandb-run-url": run.url} if run.url else {"wandb-run-folder": str(run_folder(run))}
                self._register({"wandb-run-id": run.id, **where})

    def watch(self, step_func: Callable[..., None]) -> Callable[..., None]:
        """The step's code, told of every way in which it can end; what is read from now on is watched."""
        if self._tracked is None or not self._tracked.is_tracked:
            return step_func

        @functools.wraps(step_func)
        def watched(*inputs: Any) -> None:
            try:
                step_func(*inputs)
            except Exception:
                raise
            except BaseException as error:  # Metaflow tells no decorator of these
                self.end(error)
                raise

        # From here on, rather than around the step's code: user step decorators read before and after it.
        self._reads.start()
        return watched

    def end(self, error: BaseException | None = None) -> None:
        """Take note of how the step's code ended, of what it set, and of what it read."""
        if self._tracked is None:
            return
        self._error, self._exit_code = error, None
        self._reads.stop()
        run = self._tracked.run
        if self._tracked.is_tracked and run is not None:
            with alarm_stopped(), self._faults_apart():
                variables = dict(vars(self.task.flow))
                let_go = not is_in_branch(self.task.flow, self.task.step)
                self._outputs.take(variables, unset=self._reads.settle(self.task.flow, let_go))
                self._inputs.link(run, self._reads.versions())

    def close(self) -> None:
        """Log what the step made, under the content keys that Metaflow's datastore now knows, and close the run."""
        tracked, self._tracked = self._tracked, None
        if tracked is None:
            return
        atexit.unregister(self._close_at_exit)
        with alarm_stopped():
            try:
                if tracked.is_tracked and tracked.run is not None:
                    with self._faults_apart():
                        self._log(tracked.run)
            finally:
                tracked.close(self._error, self._exit_code)
                for line in self._remarks.lines():
                    notify(line)

    def _close_at_exit(self) -> None:
        """Close a run that is open still: where Metaflow cannot store a variable, it fails and tells no decorator."""
        if self._error is None:
            self._exit_code = 1
        self.close()

    def _log(self, run: wandb.Run) -> None:
        keys = content_keys(self.task.datastore)
        handed_on = {name: keys[name] for name in self._reads.kept if name in keys}
        known = [handed_on, *(content_keys(datastore) for datastore in self.task.inputs)]
        logged = self._outputs.log(run, keys, known, self._remarks)
        self._inputs.finish(self._remarks)
        stored_again = {name: key for name, key in self._reads.kept.items() if handed_on.get(name) not in (None, key)}
        facts = {"wandb-artifacts": logged, "wandb-stored-again": stored_again}
        self._register({name: json.dumps(value) for name, value in facts.items() if value})

    def _store(self, path: Path) -> str:
        address = save_file(self.task.datastore, path)
        self._register({"wandb-run-stored": address})
        return address

    def _register(self, facts: dict[str, str]) -> None:
        """Tell Metaflow where the task went: shown in its UI, and by `Task(...).metadata_dict`."""
        from metaflow.metadata_provider.metadata import MetaDatum

        task = self.task
        data = [MetaDatum(name, value, name, [f"attempt_id:{task.attempt}"]) for name, value in facts.items()]
        task.metadata.register_metadata(task.run_id, task.step, task.task_id, data)

    @contextmanager
    def _faults_apart(self) -> Iterator[None]:
        """Keep faults of the tracker away from the step, unless it was said that they should be raised."""
        try:
            yield
        except Exception as fault:
            from wandb.errors import UsageError

            if isinstance(fault, UsageError):
                self._remarks.add("the step's own code has finished the run: what it set and read is not logged there")
            elif self._arguments.on_error == "raise" and self._error is None:
                raise TrackerFaultError(f"the step could not be tracked: {fault}") from fault
            else:
                self._remarks.add(f"the tracker failed: {type(fault).__name__}: {fault}")
