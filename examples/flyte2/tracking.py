"""W&B tracking for Flyte 2 (PyPI `flyte`): a decorator on `wandb-track-core` alone.

Put `@wandb_init(...)` above `@env.task`. Each attempt of the task is one run.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import flyte
import flyte.report
from flyte.extend import AsyncFunctionTaskTemplate
from wandb_track_core import ArgumentError, TaskIdentity, TrackedRun
from wandb_track_core.adapters import fuse, run_folder

PREFIX = "wandb_"
INHERITED = ("project", "entity", "mode", "group")
"""What a parent hands to its children through Flyte's custom context."""
PLAIN = (bool, int, float, str, list, dict, type(None))
"""Types of inputs that the run's config can hold as they are."""
_local_attempts: Counter[tuple[str, ...]] = Counter()


def wandb_config(**arguments: str) -> Any:
    """Give tasks that are called inside `with wandb_config(project=...):` these arguments; their own win."""
    if wrong := arguments.keys() - set(INHERITED):
        raise ArgumentError("wandb_config", f"takes {', '.join(INHERITED)}", sorted(wrong))
    return flyte.custom_context(**{PREFIX + name: value for name, value in arguments.items()})


def wandb_init(
    task: Any = None, *, secret: str = "WANDB_API_KEY", host: str = "https://wandb.ai", **arguments: Any
) -> Any:
    """Track a task. `secret` is the variable that its flyte.Secret sets; the rest is what `TrackedRun` takes."""
    if task is None:
        return functools.partial(wandb_init, secret=secret, host=host, **arguments)
    if not isinstance(task, AsyncFunctionTaskTemplate):
        raise ArgumentError("wandb_init", "must stand above @env.task", task)
    execute = task.execute

    async def tracked(*args: Any, **inputs: Any) -> Any:
        context, folder = flyte.ctx(), None
        run = TrackedRun(
            identity_of(task.name, context),
            api_key=lambda: os.environ.get(secret),
            in_container=context.is_in_cluster(),
            **({} if host == WandbLink.host else {"base_url": host}),
            **{**inherited(context.custom_context), **arguments},
        )
        try:
            async with run as wandb_run:
                with fuse("keeping the inputs of a task"):
                    folder = None if wandb_run.disabled else run_folder(wandb_run)
                    wandb_run.config.update({name: value for name, value in inputs.items() if isinstance(value, PLAIN)})
                return await execute(*args, **inputs)
        finally:  # Flyte itself shows the report of a task only if that succeeds
            with fuse("drawing the run into the task's report"):
                if task.report and folder:
                    from wandb_track_core.offline import render_run

                    flyte.report.get_tab("W&B").replace(render_run(folder))
                    await flyte.report.flush.aio()

    task.execute = tracked
    task.links = (*task.links, WandbLink(arguments.get("project", ""), arguments.get("entity", ""), host))
    return task


def identity_of(name: str, context: Any) -> TaskIdentity:
    """Which attempt of which action it is. A run of Flyte 2 is an execution; its actions are the tasks."""
    action = context.action
    workflow, _, task = name.rpartition(".")
    key, attempt = (action.run_name, action.name), context.attempt_number
    if not context.is_in_cluster():  # there, Flyte retries in this process, and does not count
        attempt, _local_attempts[key] = _local_attempts[key], _local_attempts[key] + 1
    return TaskIdentity(
        orchestrator="flyte",
        task=task,
        key=key,
        workflow=workflow,
        execution=action.run_name,
        attempt=attempt,
        details={"project": action.project, "domain": action.domain, "version": context.version},
    )


def inherited(context: dict[str, str] | None) -> dict[str, str]:
    """What a parent handed on."""
    return {name: context[PREFIX + name] for name in INHERITED if PREFIX + name in (context or {})}


@dataclass
class WandbLink:
    """The link on the action. Where the action is submitted, the id of its first attempt's run is known."""

    project: str = ""
    entity: str = ""
    host: str = "https://wandb.ai"
    name: str = "Weights & Biases"
    icon_uri: str = ""

    def get_link(self, run_name: str, action_name: str, context: dict[str, str] | None = None, **_: Any) -> str:
        given = inherited(context)
        run_id = TaskIdentity("flyte", "task", key=(run_name, action_name)).run_id
        entity, project = self.entity or given.get("entity", ""), self.project or given.get("project", "")
        return "/".join((self.host, entity, project, "runs", str(run_id)))
