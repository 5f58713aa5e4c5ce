"""The native step decorator `wandb_log`: from Metaflow's hooks to those of `wandb_track_metaflow`.

Metaflow imports this module in every process, tracked or not, and packs it into the code of every flow, whether or
not that flow uses it. So it needs nothing but Metaflow, and imports the rest once a step is decorated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow.decorators import StepDecorator

if TYPE_CHECKING:
    from wandb_track_metaflow._arguments import Arguments
    from wandb_track_metaflow._step import StepTracker


class WandbLogDecorator(StepDecorator):
    """Track each task of a step as a W&B run; for its attributes see `wandb_track_metaflow.wandb_log`."""

    name = "wandb_log"
    defaults: dict[str, Any] = {  # noqa: RUF012 - Metaflow's own declaration
        "datasets": False,
        "models": False,
        "others": False,
        "settings": None,
        "project": None,
        "entity": None,
        "mode": None,
        "tags": None,
        "resume": None,
        "api_key": None,
        "secret": None,
        "include": None,
        "exclude": None,
        "max_size": None,
        "on_error": None,
        "init_timeout": None,
        "finish_timeout": None,
        "ranks": None,
    }

    _arguments: Arguments
    _tracker: StepTracker | None = None

    def init(self) -> None:
        """Check the attributes, before anything runs."""
        from wandb_track_metaflow._arguments import Arguments, Sealed

        self._arguments = Arguments.of(self.attributes)
        if self.statically_defined and self.attributes["settings"] is not None:
            self.attributes["settings"] = Sealed(self._arguments.settings)

    @property
    def is_off(self) -> bool:
        """Whether the step itself says that it is not to be tracked."""
        return self._arguments.is_off

    def add_to_package(self) -> Iterator[tuple[str, str, Any]]:
        """Name the files that a remote task needs beside the user's own code.

        They are named one by one: given a module, Metaflow would pack the `__init__.py` of a package alone.
        """
        from importlib.util import find_spec

        from metaflow.packaging_sys import ContentType

        for name in ("wandb_track_core", "wandb_track_serializers", "wandb_track_metaflow"):
            spec = find_spec(name)
            for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
                for path in sorted(Path(folder).rglob("*.py")):
                    yield str(path), path.relative_to(Path(folder).parent).as_posix(), ContentType.CODE_CONTENT

    def task_pre_step(self, *given: Any) -> None:
        """Note which task this is. Nothing is opened yet: other decorators may still set the key."""
        from wandb_track_metaflow._identity import Task
        from wandb_track_metaflow._step import StepTracker

        step, datastore, metadata, run_id, task_id, flow, _, attempt, _, _, inputs = given
        task = Task(flow, step, str(run_id), str(task_id), attempt, metadata, datastore, inputs)
        self._tracker = StepTracker(self._arguments, task)

    def task_decorate(self, step_func: Callable[..., None], *_: Any) -> Callable[..., None]:
        """Open the run, when all decorators have prepared the task."""
        if self._tracker is None:
            return step_func
        self._tracker.open()
        return self._tracker.watch(step_func)

    def task_post_step(self, *_: Any) -> None:
        """Take hold of what the step set, before Metaflow deletes it from the flow."""
        if self._tracker is not None:
            self._tracker.end()

    def task_exception(self, exception: BaseException, *_: Any) -> None:
        """Take hold of what the failed step had set."""
        if self._tracker is not None:
            self._tracker.end(exception)

    def task_finished(self, *_: Any) -> None:
        """Log what the step made, now that the datastore knows its content keys, and close the run."""
        if self._tracker is not None:
            self._tracker.close()
