"""All that W&B tracking of Luigi takes: an adapter from Luigi's terms to those of `wandb-track-core`.

Each task is a run. Its significant parameters are its config; what it reads and writes (its Luigi targets) are
artifacts, tied by the hash of their contents.
"""

import functools
import hashlib
import os
import time
from collections import Counter
from pathlib import Path

import luigi
from luigi.task import flatten
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import legal_artifact_name, log_artifact, use_artifact

EXECUTION = f"{time.strftime('%Y%m%dT%H%M%S')}.{os.getpid()}"
"""Luigi has no name for one call of its scheduler: this is it, and the group of all runs of the call."""
_attempts = Counter()


def tracked(**arguments):
    """Track a Luigi task: put it above the class. Arguments are those of `TrackedRun` and of `wandb.init`."""

    def decorate(cls):
        run_task = cls.run

        @functools.wraps(run_task)
        def run(self):
            tracking = TrackedRun(identity_of(self), config=self.param_kwargs, **arguments)
            with tracking as wandb_run:
                if tracking.is_tracked:
                    for target in flatten(self.input()):
                        use_artifact(wandb_run, name_of(target), alias_of(target))
                result = run_task(self)
                if tracking.is_tracked:
                    for target in flatten(self.output()):
                        log_artifact(wandb_run, artifact_of(target), [alias_of(target)])
            return result

        cls.run = run
        return cls

    return decorate


def identity_of(task: luigi.Task) -> TaskIdentity:
    """Which attempt of which task it is: Luigi's own id of a task holds its name and a hash of its parameters."""
    attempt = _attempts[task.task_id]
    _attempts[task.task_id] += 1
    return TaskIdentity(
        orchestrator="luigi",
        task=task.task_family,
        key=(EXECUTION, task.task_id),
        execution=EXECUTION,
        attempt=attempt,
        details={"task_id": task.task_id, "parameters": task.to_str_params()},
    )


def name_of(target: luigi.LocalTarget) -> str:
    """The artifact of a file."""
    return legal_artifact_name(Path(target.path).name)


def alias_of(target: luigi.LocalTarget) -> str:
    """The alias of the version that has these contents."""
    return f"sha-{hashlib.sha256(Path(target.path).read_bytes()).hexdigest()}"


def artifact_of(target: luigi.LocalTarget):
    """A draft with the file."""
    import wandb

    artifact = wandb.Artifact(name_of(target), type="dataset")
    artifact.add_file(target.path)
    return artifact
