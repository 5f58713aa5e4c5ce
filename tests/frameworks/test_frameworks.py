"""Frameworks that log by themselves, in a tracked Flyte task and Metaflow step: the run holds what they log.

Each framework is one file in `flows`, with a function `train(folder)` that returns a number. A framework that is not
installed is skipped.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

FLOWS = Path(__file__).parent / "flows"
LOGGED = {
    "with_xgboost": ("xgboost", "train-logloss"),
    "with_sklearn": ("sklearn", "score"),
    "with_accelerate": ("accelerate", "loss"),
    "with_lightning": ("lightning", "train_loss"),
    "with_transformers": ("transformers", "train/loss"),
    "with_lightgbm": ("lightgbm", "training_auc"),
    "with_optuna": ("optuna_integration", "value"),
    "with_tensorboard": ("tensorboard", "loss"),
    "with_stable_baselines3": ("stable_baselines3", "train/loss"),
}
"""What each file needs, and a name that its framework logs."""
WITHOUT_TORCH = ("xgboost", "sklearn", "lightgbm", "optuna_integration")
IN_FLYTE = """
from flytekit import Secret, task, workflow
from wandb_track_flyte import wandb_init

KEY = Secret(group="wandb", key="WANDB_API_KEY")

@wandb_init(project="frameworks", entity="team", secret=KEY)
@task(secret_requests=[KEY])
def tracked() -> float:
    from {module} import train
    return float(train("."))

@workflow
def flow() -> float:
    return tracked()

print("result", flow())
"""
IN_METAFLOW = """
from metaflow import FlowSpec, step
from wandb_track_metaflow import wandb_log

@wandb_log(project="frameworks")
class Frameworks(FlowSpec):
    @step
    def start(self):
        self.next(self.tracked)

    @step
    def tracked(self):
        from {module} import train
        self.result = float(train("."))
        print("result", self.result)
        self.next(self.end)

    @step
    def end(self):
        pass

Frameworks()
"""

STOPPED = """
import contextlib, os, signal
import lightning
from lightning.pytorch.callbacks import OnExceptionCheckpoint
from wandb_track_core import TaskIdentity, TrackedRun
from with_lightning import train

class Stop(lightning.Callback):
    def on_train_batch_end(self, *given):
        os.kill(os.getpid(), signal.SIGTERM)

task = TrackedRun(TaskIdentity("chain", "tracked"), project="frameworks", job_type="tracked")
with task if {is_tracked} else contextlib.nullcontext():
    train(".", Stop(), OnExceptionCheckpoint("."))
"""


@pytest.mark.parametrize("orchestrator", ["flytekit", "metaflow"])
@pytest.mark.parametrize("module", LOGGED)
def test_the_run_holds_what_the_framework_logs_and_the_task_keeps_its_result(tmp_path, module, orchestrator):
    library, name = LOGGED[module]
    for needed in (library, orchestrator, *([] if library in WITHOUT_TORCH else ["torch"])):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    program = tmp_path / "program.py"
    program.write_text((IN_FLYTE if orchestrator == "flytekit" else IN_METAFLOW).format(module=module))
    env = isolated_env(tmp_path, PYTHONPATH=str(FLOWS), WANDB_LOG_MODEL="end")
    arguments = [] if orchestrator == "flytekit" else ["--no-pylint", "run"]
    done = run_python(program, env, *arguments)
    assert "result" in done.stdout
    (run,) = (run for run in find_runs(tmp_path) if run.job_type == "tracked")
    assert run.exit_code == 0
    assert run.values(name), sorted({key for row in run.history for key in row})


def test_lightning_saves_its_checkpoint_where_the_machine_is_taken_away(tmp_path):
    """By a handler of its own for SIGTERM, which goes on to a good place and calls the one before it, as without us."""
    for needed in ("lightning", "torch"):
        pytest.importorskip(needed)
    ends = []
    for is_tracked in (False, True):
        folder = tmp_path / str(is_tracked)
        folder.mkdir()
        env = isolated_env(folder, PYTHONPATH=str(FLOWS))
        command = [sys.executable, "-c", STOPPED.format(is_tracked=is_tracked)]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
        ends.append((done.returncode, (folder / "on_exception.ckpt").exists()))
    assert ends[0] == ends[1], done.stderr
    assert ends[0][1]
    (run,) = (run for run in find_runs(tmp_path / "True") if run.job_type == "tracked")
    assert run.preempting
    assert run.values("train_loss")
