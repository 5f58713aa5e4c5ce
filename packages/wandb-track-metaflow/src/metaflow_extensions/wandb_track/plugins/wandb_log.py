"""The native step decorator `wandb_log`: from Metaflow's hooks to those of `wandb_track_metaflow`.

Metaflow imports this module in every process, tracked or not, and packs it into the code of every flow, whether or
not that flow uses it. So it needs nothing but Metaflow, and imports the rest once a step is decorated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException

if TYPE_CHECKING:
    from wandb_track_metaflow._arguments import Arguments
    from wandb_track_metaflow._step import StepTracker


class RunNotOpened(MetaflowException):
    """A step's run cannot be opened, such as for a key that is rejected: Metaflow prints the message alone."""

    headline = "wandb_log could not open the run of this step"


class WandbLogDecorator(StepDecorator):
    """Track each task of a step as a W&B run; for its attributes see `wandb_track_metaflow.wandb_log`."""

    name = "wandb_log"

    _arguments: Arguments
    _tracker: StepTracker | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        from wandb_track_metaflow.decorator import DEFAULTS

        self.defaults = DEFAULTS
        super().__init__(*given, **named)  # type: ignore[no-untyped-call] # Metaflow has no types
        if "spin-step" in sys.argv:
            from wandb_track_metaflow._step import keep_quiet_in_spin

            keep_quiet_in_spin()

    def __getstate__(self) -> dict[str, Any]:
        """The flow's class holds this, and users pickle that."""
        return {name: value for name, value in vars(self).items() if name != "_tracker"}

    def init(self) -> None:
        """Check the attributes, before anything runs."""
        from wandb_track_metaflow._arguments import Arguments, HiddenSettings

        self._arguments = Arguments(self.attributes)
        if self.statically_defined and self.attributes["settings"] is not None:
            self.attributes["settings"] = HiddenSettings(self._arguments.passed_on["settings"])

    def runtime_init(self, *_: Any) -> None:
        """Let the steps of this run print once what concerns all of them."""
        from wandb_track_core.adapters import fuse
        from wandb_track_metaflow._notices import begin_flow

        with fuse("preparing the flow"):
            begin_flow()

    def add_to_package(self) -> Iterator[tuple[str, str, Any]]:
        """Name the files that a remote task needs beside the user's own code."""
        from wandb_track_core.adapters import fuse
        from wandb_track_metaflow._metaflow_internals import packed

        with fuse("packing wandb-track for remote tasks"):
            yield from packed("wandb_track_core", "wandb_track_serializers", "wandb_track_metaflow")

    def task_pre_step(self, *given: Any) -> None:
        """Note which task this is. Nothing is opened yet: other decorators may still set the key."""
        from wandb_track_core.adapters import fuse
        from wandb_track_metaflow._identity import Task
        from wandb_track_metaflow._step import StepTracker

        with fuse("looking at the task"):
            self._tracker = StepTracker(self._arguments, Task.of_hook(*given))

    def task_decorate(self, step_func: Callable[..., None], *_: Any) -> Callable[..., None]:
        """Open the run, when all decorators have prepared the task. The step's function stays as it is."""
        from wandb_track_metaflow._step import open_quiet_run

        if self._tracker is not None:
            try:
                self._tracker.open()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                raise RunNotOpened(reason) from error  # type: ignore[no-untyped-call] # Metaflow has no types
        else:
            open_quiet_run()
        return step_func

    def task_post_step(self, *_: Any) -> None:
        """Write out what the step set, before Metaflow deletes it from the flow."""
        self._call("end")

    def task_exception(self, exception: BaseException, *_: Any) -> None:
        """Write out what the failed step had set."""
        self._call("end", exception)

    def task_finished(self, *_: Any) -> None:
        """Log what the step made, now that the datastore knows its content keys, and close the run."""
        self._call("close")

    def _call(self, hook: str, *given: Any) -> None:
        from wandb_track_core.adapters import fuse

        if self._tracker is not None:
            with fuse(f"handling the step's {hook}"):
                getattr(self._tracker, hook)(*given)
