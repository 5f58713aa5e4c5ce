"""What `wandb.init` means inside a tracked task: the task's run, or a run of the user's own beside it.

With it `wandb.agent` and `wandb.teardown`, which finish all runs of the process and stop the client's service.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from wandb_track_core._arguments import chosen, setting_of, settings_given
from wandb_track_core._fuse import fuse
from wandb_track_core._notify import notify
from wandb_track_core.current import Frame

from ._classes import watch_end
from ._module import client_function
from ._open import copy_of
from ._private import find

_FINISHING = (True, "finish_previous")
_TAKEN = (
    *("config", "tags", "notes", "name", "reinit", "settings", "mode"),
    *("sync_tensorboard", "tensorboard", "monitor_gym"),
)
_SAME = {"entity": "entity", "project": "project", "id": "id", "group": "group", "job_type": "job_type"}


def functions_of(frame: Frame) -> dict[str, Any]:
    """What those functions of the `wandb` module mean in a task that would replace, finish or stop its run."""
    return {"init": Init(frame), "agent": partial(_agent, frame), "teardown": partial(_teardown, frame)}


def _agent(frame: Frame, /, *args: Any, **kwargs: Any) -> Any:
    """Let each trial of a sweep open a run of its own, as with plain wandb; then the task's run is current again."""
    with frame.set_aside():
        return client_function("agent")(*args, **kwargs)


def _teardown(frame: Frame, /, *args: Any, **kwargs: Any) -> None:
    """Finish the runs that the task opened itself; the service process stays, because the task's run needs it."""
    if frame.process != os.getpid():
        client_function("teardown")(*args, **kwargs)
    else:
        for run in frame.to_close[::-1]:
            run.finish(*args, **kwargs)


class Init:
    """`wandb.init` in one task: called with the client's own arguments.

    Args:
        frame: The task.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the task's run, or open one of the user's own, as the client's `init` would."""
        from inspect import signature

        client_init = client_function("init")
        frame = self._frame
        if frame.process != os.getpid():
            return client_init(*args, **kwargs)
        given = dict(signature(client_init).bind(*args, **kwargs).arguments)
        settings = given.get("settings")
        if frame.run.disabled and not frame.is_released:
            _update(frame.run.config, given.get("config"))
            return frame.run
        if chosen("mode", given, settings) == "disabled":
            return self._open(client_init, given, is_current=True)
        reinit = chosen("reinit", given, settings)
        current = frame.opened[-1] if frame.opened else None
        if reinit == "create_new":
            return self._open(client_init, given, is_current=False)
        if reinit in _FINISHING:
            for run in frame.opened[::-1]:
                run.finish()
        elif current is not None:
            _update(current.config, given.get("config"))
            return current
        elif not frame.is_released:
            return self._take(given)
        return self._open(client_init, given, is_current=True)

    def _open(self, client_init: Any, given: dict[str, Any], is_current: bool) -> Any:
        """Open a run of the user's own; what they leave open is closed with the task."""
        frame, task_run, settings = self._frame, self._frame.task_run, given.get("settings")
        for name in ("entity", "project"):
            given[name] = chosen(name, given, settings) or getattr(task_run, name) or None
        if given.get("mode") is None and setting_of(settings, "mode") is None:
            given["mode"] = "disabled" if task_run.disabled else "offline" if task_run.offline else None
        parameters = self._join_sweep(given) if frame.is_released else {}
        run = client_init(**{**given, "reinit": "create_new"})
        if parameters:
            run.config.update(parameters, allow_val_change=True)
            run.config.update_locked(parameters, user="sweep")
        frame.to_close.append(run)
        if is_current:
            frame.opened.append(run)
            frame.assigned.clear()

            def restore(run: Any) -> None:
                frame.to_close.remove(run)
                frame.opened.remove(run)
                frame.assigned.clear()

            watch_end(run, restore)
        else:
            watch_end(run, frame.to_close.remove)
        return run

    def _join_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make the run that of a sweep's trial, where an agent says so in the environment; returns its parameters.

        The client reads this itself only when its session begins, which is here the session of the task's run.
        """
        sweep, parameters = os.environ.get("WANDB_SWEEP_ID"), os.environ.get("WANDB_SWEEP_PARAM_PATH")
        if not sweep or not parameters:
            return {}
        settings = given["settings"] = copy_of(given.get("settings"))
        settings.sweep_id, given["id"] = sweep, os.environ.get("WANDB_RUN_ID")
        found: dict[str, Any] = {}
        if read := find("wandb.sdk.lib.config_util:dict_from_config_file"):
            with fuse("reading the parameters of a sweep's trial"):
                found = dict(read(parameters))
        return found

    def _take(self, given: dict[str, Any]) -> Any:
        """Give the task's run what it can take of a plain `wandb.init()`."""
        run = self._frame.run
        _update(run.config, given.get("config"))
        _watch_libraries(given)
        if given.get("tags"):
            run.tags = tuple(dict.fromkeys((*(run.tags or ()), *given["tags"])))
        if given.get("name"):
            run.name = given["name"]
        if given.get("notes"):
            run.notes = "\n".join(part for part in (run.notes, given["notes"]) if part)
        other = {name: value for name, value in given.items() if value not in (None, False) and name not in _TAKEN}
        other = {name: value for name, value in other.items() if getattr(run, _SAME.get(name, ""), None) != value}
        shown = [f"{name}={value!r}" for name, value in other.items()]
        settings = settings_given(given.get("settings"))
        # One of them may be a key.
        shown += [
            f"settings.{name}" for name in sorted(settings) if getattr(run.settings, name, None) != settings[name]
        ]
        if shown:
            notify(
                f"wandb.init() returned the run of this task, which cannot take {', '.join(shown)}: "
                "give it to the decorator"
            )
        return run


def _watch_libraries(given: Mapping[str, Any]) -> None:
    """Let TensorBoard and Gymnasium log to the current run, where `wandb.init` is asked to."""
    import wandb

    if (given.get("sync_tensorboard") or given.get("tensorboard")) and not wandb.patched["tensorboard"]:
        from wandb.integration import tensorboard

        tensorboard.patch()
    if given.get("monitor_gym"):
        from wandb.integration import gym

        gym.monitor()  # type: ignore[no-untyped-call] # the client gives it no types


def _update(config: Any, values: Any) -> None:
    if isinstance(values, Mapping):
        config.update(dict(values), allow_val_change=True)
    elif hasattr(values, "__dict__"):
        config.update(dict(vars(values)), allow_val_change=True)
