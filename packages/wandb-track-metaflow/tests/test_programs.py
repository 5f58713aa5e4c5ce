"""Flows that a program or a notebook runs or deploys."""

from __future__ import annotations

import json

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import run_python

pytestmark = pytest.mark.slow

CELL = """
from metaflow import FlowSpec, NBRunner, step
from wandb_track_metaflow import wandb_log

@wandb_log(project="notebook")
class NotebookFlow(FlowSpec):
    @step
    def start(self):
        self.answer = 42
        self.next(self.end)

    @wandb_log(project="notebook", tags=["last"])
    @step
    def end(self):
        pass

run = NBRunner(NotebookFlow, show_output=False).nbrun()
"""


def test_runner_runs_a_tracked_flow_and_the_client_finds_its_data(workplace):
    """With the decorator given as the command line gives it."""
    code = f"""
import json
from metaflow import Runner
flow = Runner({workplace.command("plain.py")[1]!r}, decospecs=["wandb_log:project=runner"], show_output=False)
with flow.run() as running:
    print(json.dumps([running.status, running.run.id, running.run.data.number]))
"""
    status, run_id, number = json.loads(run_python(code, workplace.env).stdout.splitlines()[-1])
    assert (status, number) == ("successful", 3)
    runs = [run for run in find_runs(workplace.folder) if run.project == "runner"]
    assert [run.group for run in runs] == [f"Plain/{run_id}"] * 2
    assert {run.exit_code for run in runs} == {0}


def test_a_flow_that_is_defined_in_a_notebook_cell_is_tracked(workplace):
    """By a real IPython, whose history Metaflow takes the flow's source from; the step's own decorator wins."""
    pytest.importorskip("IPython")
    code = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
result = shell.run_cell({CELL!r}, store_history=True)
result.raise_error()
print(shell.user_ns["run"].data.answer)
"""
    assert run_python(code, workplace.env).stdout.splitlines()[-1] == "42"
    start, end = [run for run in find_runs(workplace.folder) if run.project == "notebook"]
    assert start.summary["answer"] == 42
    assert (start.tags, end.tags) == ([], ["last"])


def test_a_deployment_to_kubernetes_tracks_each_of_its_tasks(workplace, cloud):
    """As far as a deployment goes without a cluster: each task's command carries the decorator and its arguments."""
    pytest.importorskip("kubernetes")
    workplace.env.update(cloud)
    options = ["--no-pylint", "--datastore=s3", "--with", "wandb_log:models=true,project=x,secret=TEAM_KEY"]
    deployed = workplace.call("plain.py", *options, "argo-workflows", "create", "--only-json").output
    template, _ = json.JSONDecoder().raw_decode(deployed[deployed.index("{") :])
    commands = [str(one["container"]) for one in template["spec"]["templates"] if "container" in one]
    steps = [command for command in commands if " step " in command]
    assert len(steps) == 2
    given = "--with wandb_log:datasets=False,models=True,others=False,project=x,secret=TEAM_KEY"
    assert all(given in command for command in steps), steps
