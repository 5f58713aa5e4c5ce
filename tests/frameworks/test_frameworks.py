"""Frameworks that open or find the run themselves, inside a tracked Flyte task and a tracked Metaflow step."""

import importlib.util
import sys
from pathlib import Path

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import tasks  # noqa: E402

FLYTE = """
import sys
sys.path.insert(0, {here!r})
import tasks
from flytekit import task
from wandb_track_flyte import wandb_init

@wandb_init(project="p", entity="e", secret=lambda: None)
@task
def train() -> int:
    return tasks.{name}()

print("result", train())
"""
METAFLOW = """
import sys
sys.path.insert(0, {here!r})
import tasks
from metaflow import FlowSpec, step
from wandb_track_metaflow import wandb_log

class Train(FlowSpec):
    @wandb_log
    @step
    def start(self):
        self.result = tasks.{name}()
        self.next(self.end)

    @step
    def end(self):
        print("result", self.result)

if __name__ == "__main__":
    Train()
"""
PROGRAMS = {"flyte": (FLYTE, ()), "metaflow": (METAFLOW, ("run",))}
LIBRARY = {"flyte": "flytekit", "sklearn": "sklearn"}


@pytest.mark.parametrize("orchestrator", PROGRAMS)
@pytest.mark.parametrize("name", tasks.EXPECTED)
def test_the_run_holds_what_a_framework_logged_and_the_tasks_result_stays(tmp_path, name, orchestrator):
    for library in (LIBRARY.get(name, name), LIBRARY.get(orchestrator, orchestrator)):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    code, arguments = PROGRAMS[orchestrator]
    (tmp_path / "program.py").write_text(code.format(here=str(HERE), name=name))
    more = {"WANDB_LOG_MODEL": "end"} if name == "transformers" else {}
    env = isolated_env(tmp_path, USERNAME="tester", **more)
    done = run_python(tmp_path / "program.py", env, *arguments, timeout=300)
    metric, result = tasks.EXPECTED[name]
    assert f"result {result}" in done.stdout
    (run,) = find_runs(tmp_path)
    assert run.exit_code == 0
    assert run.values(metric)
    if name in ("lightning", "transformers", "xgboost"):
        assert any(artifact.type == "model" for artifact in run.artifacts)
