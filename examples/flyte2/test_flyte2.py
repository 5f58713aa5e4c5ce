"""Tasks of Flyte 2, run by its own local controller: what their runs hold, and how they end."""

from pathlib import Path

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

HERE = str(Path(__file__).parent)
START = f"""
import sys; sys.path.insert(0, {HERE!r})
import flyte
from tracking import wandb_config, wandb_init
from wandb_track_core import current_run
env = flyte.TaskEnvironment(name="test")
flyte.init()
"""


def run(folder, code, check=True):
    done = run_python(START + code, isolated_env(folder, PYTHONPATH=HERE), check=check)
    return find_runs(folder), done


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workflow")
    done = run_python(Path(HERE, "workflow.py"), isolated_env(folder))
    assert "0.4" in done.stdout
    return find_runs(folder)


def test_each_task_is_a_run_in_the_group_of_its_execution(workflow):
    assert sorted(each.job_type for each in workflow) == ["score", "score", "score", "select"]
    assert {each.exit_code for each in workflow} == {0}
    assert len({each.group for each in workflow}) == 1
    assert len({each.id for each in workflow}) == 4


def test_children_have_the_project_that_their_parent_hands_on(workflow):
    assert {each.project for each in workflow} == {"wandb-track-demo"}


def test_a_run_holds_the_inputs_and_what_the_task_logs(workflow):
    scores = {each.config["rate"]: each for each in workflow if each.job_type == "score"}
    assert scores.keys() == {0.01, 0.1, 0.4}
    assert len(scores[0.1].values("loss")) == 10
    (selected,) = (each for each in workflow if each.job_type == "select")
    assert selected.summary["best"] == 0.4


def test_a_task_that_raises_has_failed_and_its_error_is_the_users(tmp_path):
    runs, done = run(
        tmp_path,
        """
@wandb_init(project="p")
@env.task
async def broken(x: int) -> int:
    raise ValueError("mine")

flyte.run(broken, x=1)
""",
        check=False,
    )
    assert done.returncode != 0
    assert "mine" in done.stderr
    assert [each.exit_code for each in runs] == [1]


def test_each_retry_is_a_run_of_its_own(tmp_path):
    runs, _ = run(
        tmp_path,
        """
tries = []

@wandb_init(project="p")
@env.task(retries=2)
async def flaky(x: int) -> int:
    tries.append(x)
    if len(tries) < 3:
        raise ValueError("not yet")
    return x

flyte.run(flaky, x=1)
""",
    )
    assert sorted(each.exit_code for each in runs) == [0, 1, 1]
    assert len({each.id for each in runs}) == 3
    assert sorted(each.config["flyte"]["attempt"] for each in runs) == [0, 1, 2]


def test_a_plain_function_is_tracked_in_its_thread(tmp_path):
    runs, _ = run(
        tmp_path,
        """
@wandb_init(project="p", tags=["plain"])
@env.task
def plain(x: int) -> int:
    current_run().log({"x": x})
    return x

assert flyte.run(plain, x=3).outputs().o0 == 3
""",
    )
    assert [each.values("x") for each in runs] == [[3]]


def test_the_link_of_an_action_leads_to_its_run(tmp_path):
    runs, done = run(
        tmp_path,
        """
from tracking import identity_of

@wandb_init(project="p", entity="team")
@env.task
async def linked(x: int) -> str:
    action = flyte.ctx().action
    (link,) = linked.links
    names = dict(project="", domain="", parent_action_name="", pod_name="")
    return link.get_link(run_name=action.run_name, action_name=action.name, context={}, **names)

print(flyte.run(linked, x=1).outputs().o0)
""",
    )
    assert done.stdout.strip().endswith(f"https://wandb.ai/team/p/runs/{runs[0].id}")


@pytest.mark.parametrize("written", ["@wandb_init\ndef f(): ...", "with wandb_config(projct='p'): ..."])
def test_a_mistake_is_named(tmp_path, written):
    _, done = run(tmp_path, written, check=False)
    assert "ArgumentError: wandb_" in done.stdout  # Flyte prints the end of a traceback there


@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_a_task_with_a_report_has_a_tab_that_shows_its_run(tmp_path, outcome):
    """Also where it fails, which Flyte's own reports do not show."""
    _, done = run(
        tmp_path,
        f"""
@wandb_init(project="p")
@env.task(report=True)
async def shown(x: int) -> int:
    print("outputs are in", flyte.ctx().output_path, flush=True)
    current_run().log({{"loss": 0.25}})
    if {outcome == "failed"}:
        raise ValueError("mine <b>")
    return x

flyte.run(shown, x=1)
""",
        check=outcome == "finished",
    )
    (folder,) = (line.split()[-1] for line in done.stdout.splitlines() if line.startswith("outputs are in"))
    page = Path(folder, "report.html").read_text()
    assert "W&amp;B" in page
    assert outcome in page
    assert "loss" in page
    assert ("mine &lt;b&gt;" in page) == (outcome == "failed")
