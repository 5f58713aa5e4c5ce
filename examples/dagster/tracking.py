"""W&B tracking for Dagster: a decorator for the functions of ops and assets, on `wandb-track-core` alone.

Put `@tracked(...)` below `@dg.asset` or `@dg.op`. Each attempt of the step is one run, which ends as the attempt does.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import dagster as dg
from wandb_track_core import TaskIdentity, TrackedRun, current_run
from wandb_track_core.adapters import artifact_folder, fuse, legal_artifact_name, log_artifact, use_artifact


def tracked(**arguments: Any) -> Any:
    """Track a step whose function takes `context` first. The arguments are those of `TrackedRun`."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def step(context: Any, *args: Any, **inputs: Any) -> Any:
            tracking = TrackedRun(identity_of(context), config=config_of(context), **arguments)
            with tracking as run:
                with fuse("note the run in the metadata of a step"):
                    for output in context.op.output_dict if tracking.is_tracked else ():
                        context.add_output_metadata({"wandb_run": link_to(run)}, output_name=output)
                return function(context, *args, **inputs)

        return step

    return decorate


def identity_of(context: Any) -> TaskIdentity:
    """Which attempt of which step it is. The key of a partition is part of what the step is."""
    partition = context.partition_key if context.has_partition_key else None
    step = context.get_step_execution_context().step.key  # with the key of a dynamic output
    return TaskIdentity(
        orchestrator="dagster",
        task=step,
        key=(context.run_id, step, partition) if partition else (context.run_id, step),
        workflow=context.job_name if not context.job_name.startswith("__") else "",
        execution=context.run_id,
        attempt=context.retry_number,
        tags=(f"partition:{partition}",) if partition else (),
        details={"partition": partition},
    )


def config_of(context: Any) -> dict[str, Any]:
    """The config of the op, where it has one."""
    return dict(context.op_config or {})


def link_to(run: Any) -> Any:
    """The run's page; of an offline run, its folder."""
    return dg.MetadataValue.url(run.url) if run.url else dg.MetadataValue.path(run.dir)


def upload(context: Any, path: str | Path, name: str | None = None, type: str = "dataset") -> str:
    """Log a file as an artifact of the step's run; the materialization shows its version. No I/O manager is needed.

    Returns:
        What `use` takes in another step: the artifact's name, and the alias of the version with these contents.
    """
    import wandb

    path = Path(path)
    name = legal_artifact_name(name or path.name)
    alias = f"sha-{hashlib.sha256(path.read_bytes()).hexdigest()}"
    run = current_run()
    if isinstance(run, wandb.Run):
        artifact = wandb.Artifact(name, type=type)
        artifact.add_file(str(path))
        log_artifact(run, artifact, [alias], artifact_folder(run, name))
        for output in context.op.output_dict:
            context.add_output_metadata({"wandb_artifact": f"{name}:{alias}"}, output_name=output)
    return f"{name}:{alias}"


def use(version: str) -> None:
    """Note that the step's run uses what `upload` returned in another step."""
    import wandb

    if isinstance(run := current_run(), wandb.Run):
        use_artifact(run, *version.split(":"))
