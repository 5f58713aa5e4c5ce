"""What fails in flytekitplugins-wandb 1.16.31, line by line, and holds here."""

import inspect
import time
from collections import OrderedDict

import pytest
from flytekit import map_task
from flytekit.configuration import ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable

pytestmark = pytest.mark.slow

SETTINGS = SerializationSettings(ImageConfig.from_images("registry.test/image:v7"), "p", "d", version="v7")


def test_above_task_inside_a_workflow(bench, load):
    """There: `@wandb_init` above `@task` fails in a workflow, as the secret is asked for where it is compiled."""
    assert load("seed").training_workflow(num_epochs=2) == 0.95
    assert bench.run().values("final_accuracy") == [0.95]


def test_a_raising_task_ends_its_run_as_failed(bench):
    """There: `wandb.finish()` is never reached, and as Flyte catches the error, the run ends green, with 0."""
    assert "the data is bad" in bench.execute("raising", {"kind": "value"}).error
    assert bench.run().exit_code == 1


def test_coroutine_tasks_are_awaited_inside_their_run(bench, load):
    """There: the coroutine is returned after the run was finished, and never awaited below `@task`."""
    for task in ("async_above", "async_below"):
        assert inspect.iscoroutinefunction(getattr(load("kinds"), task).task_function)
        assert bench.execute(task, {"x": 4}).outputs == {"o0": 5}
    assert [run.values("x") for run in bench.runs(2)] == [[4], [4]]


def test_a_map_task_keeps_the_console_link(load):
    """There: the template of a map task has none."""
    config = get_serializable(OrderedDict(), SETTINGS, map_task(load("kinds").above)).template.config
    assert config["link_type"] == "wandb-execution-id"
    assert config["project"] == "kinds"


def test_a_nested_tasks_end_is_not_the_outer_runs_end(bench, load):
    """There: the inner task's `wandb.finish()` ends the outer run; what is logged afterwards is lost or raises."""
    assert load("kinds").outer(x=1) == 2
    outer, inner = bench.runs(2)
    assert outer.values("at") == ["before", "after"]
    assert inner.values("x") == [1]


def test_ids_do_not_depend_on_the_host_name(bench):
    """There: the id is HOSTNAME, also where that was cut at 63 characters or is the machine's; without it, it is the
    execution's, which all of its tasks share."""
    cut = f"f6af03c1-n0-0-{'raycluster-head-' * 5}"[:63]
    for node in ("n0", "n1"):
        for hostname in (cut, "ip-10-0-3-7", None):
            bench.execute("below", {"x": 1}, {"HOSTNAME": hostname}, node=node)
    assert [run.id for run in bench.runs(6)] == ["f6af03c1-n0-0"] * 3 + ["f6af03c1-n1-0"] * 3


def test_retries_are_told_apart_and_can_continue_one_run(bench):
    """There: attempts are told apart by the host name alone, and none says which attempt it was."""
    for attempt in (0, 1):
        bench.execute("below", {"x": attempt}, {"HOSTNAME": "ip-10-0-3-7"}, attempt=attempt)
        bench.execute("continued", {"x": attempt}, {"HOSTNAME": "ip-10-0-3-7"}, attempt=attempt)
    runs = [(run.job_type, run.id, run.config["flyte"]["attempt"]) for run in bench.runs(4)]
    assert runs == [
        ("below", "f6af03c1-n0-0", 0),
        ("continued", "f6af03c1-n0", 0),
        ("below", "f6af03c1-n0-1", 1),
        ("continued", "f6af03c1-n0", 1),
    ]


def test_a_task_that_the_platform_ends_closes_its_run(bench, place):
    """There: on SIGTERM (an eviction, a spot node that is taken away) the run stays "running" for ever."""
    started = place / "started"
    container = bench.container("terminated", "train", {"started": str(started)})
    with bench.start(container) as process:
        try:
            while not started.exists() and process.poll() is None:
                time.sleep(0.05)
            process.terminate()
            process.communicate(timeout=60)
        finally:
            process.kill()
    run = bench.run()
    assert run.exit_code == 143
    assert run.preempting
    assert run.values("step") == [1]
