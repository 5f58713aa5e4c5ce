"""Every kind of task that flytekit has, in both orders, locally and in its container."""

import asyncio
import concurrent.futures

import pytest
from flyteidl.core import dynamic_job_pb2
from flytekit import PythonFunctionTask, task
from flytekit.configuration import SERIALIZED_CONTEXT_ENV_VAR, ImageConfig, SerializationSettings
from wandb_track_flyte import wandb_init

BOTH_ORDERS = ["above", "below"]
PROJECT, DOMAIN = "flytesnacks", "development"


def logged(runs, name, key):
    """What the runs of one task logged, in order."""
    return [run.values(key) for run in runs if run.job_type == name]


def serialized_context():
    """What a dynamic task finds in its container, to register what it plans."""
    settings = SerializationSettings(ImageConfig.from_images("registry.test/image:v7"), PROJECT, DOMAIN, version="v7")
    return settings.with_serialized_context().env[SERIALIZED_CONTEXT_ENV_VAR]


@pytest.mark.parametrize("task", ["above", "below", "async_above", "async_below"])
def test_a_task_in_its_container_is_one_run_that_says_which_task_attempt_it_is(bench, task):
    assert bench.execute(task, {"x": 4}).outputs == {"o0": 5}
    run = bench.run()
    assert run.id == "f6af03c1-n0-0"
    assert run.values("x") == [4]
    assert run.exit_code == 0
    url = "https://flyte.test/console/projects/flytesnacks/domains/development/executions/f6af03c1/nodeId/n0/nodes"
    facts = dict(run.config["flyte"])
    assert facts.pop("raw_outputs").endswith("/raw/zz/f6af03c1-n0-0")
    assert facts == {
        "workflow": "flows.training_workflow",
        "execution": "f6af03c1",
        "project": "flytesnacks",
        "domain": "development",
        "task": f"kinds.{task}",
        "version": "v7",
        "attempt": 0,
        "url": url,
    }
    assert run.notes == f"[Execution URL]({url})"
    assert (run.group, run.job_type) == ("flows.training_workflow/f6af03c1", task)


@pytest.mark.parametrize("task", ["above", "below"])
def test_a_task_that_is_called_as_python_is_one_run_with_an_id_of_wandbs_own(bench, load, task):
    assert getattr(load("kinds"), task)(x=4) == 5
    run = bench.run()
    assert len(run.id) == 8
    assert (run.notes, run.group, run.exit_code) == ("", "", 0)
    assert run.config == {"flyte": {"task": f"kinds.{task}", "attempt": 0}}


@pytest.mark.parametrize("task", ["async_above", "async_below"])
def test_coroutine_tasks_that_are_awaited_together_each_have_their_own_run(bench, load, task):
    tracked = getattr(load("kinds"), task)

    async def together():
        return await asyncio.gather(*(tracked(x=x) for x in range(3)))

    assert asyncio.run(together()) == [1, 2, 3]
    assert sorted(logged(bench.runs(3), task, "x")) == [[0], [1], [2]]


def test_tasks_in_threads_each_have_their_own_run(bench, load):
    above = load("kinds").above
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda x: above(x=x), range(4))) == [1, 2, 3, 4]
    assert sorted(logged(bench.runs(4), "above", "x")) == [[0], [1], [2], [3]]


def test_a_workflow_runs_dynamic_map_nested_cached_and_otherwise_decorated_tasks_locally(bench, load):
    """One local run of all of them, called as Python: each task is one run, a cache hit none."""
    results = load("kinds").local_kinds(n=2)
    assert tuple(results) == ([1, 2], [1, 2], [11, 12], [21, 22], 31, 9, 9, 82, 102)
    runs = bench.runs(15)
    assert all(run.exit_code == 0 for run in runs)
    assert logged(runs, "dynamic_above", "children") == logged(runs, "dynamic_below", "children") == [[2]]
    assert sorted(logged(runs, "above", "x")) == [[0], [1], [10], [11]]
    assert sorted(logged(runs, "below", "x")) == [[0], [1], [20], [21], [30]]
    assert logged(runs, "outer", "at") == [["before", "after"]]
    assert [run.config["cached"] for run in runs if run.job_type == "cached"] == [True]
    assert logged(runs, "other_above", "x") == [[40]]
    assert logged(runs, "other_below", "x") == [[50]]


@pytest.mark.parametrize("order", BOTH_ORDERS)
def test_a_dynamic_task_in_its_container_is_one_run_and_only_plans_its_children(bench, order):
    outcome = bench.execute(f"dynamic_{order}", {"n": 2}, {SERIALIZED_CONTEXT_ENV_VAR: serialized_context()})
    assert bench.run().values("children") == [2]
    plan = dynamic_job_pb2.DynamicJobSpec.FromString(outcome.futures)
    assert len(plan.nodes) == 2
    assert {template.config.get("link_type") for template in plan.tasks} == {"wandb-execution-id"}


def test_a_map_task_in_a_dynamic_task_is_planned_and_each_element_has_a_run_below_the_node_of_its_parent(bench):
    """The parent in its container, where it only plans, and each element in its own."""
    outcome = bench.execute("dynamic_map", {"n": 2}, {SERIALIZED_CONTEXT_ENV_VAR: serialized_context()})
    plan = dynamic_job_pb2.DynamicJobSpec.FromString(outcome.futures)
    (node,) = plan.nodes
    assert {template.config.get("link_type") for template in plan.tasks} == {"wandb-execution-id"}
    for index in (0, 1):
        bench.execute("above", {"x": [0, 1]}, node=f"n0-0-{node.id}", index=index)
    parent, *elements = bench.runs(3)
    assert parent.id == "f6af03c1-n0-0"
    assert [run.id for run in elements] == [f"f6af03c1-n0-0-{node.id}-0-n{index}-0" for index in (0, 1)]
    assert [run.values("x") for run in elements] == [[0], [1]]


def test_a_map_task_in_a_dynamic_task_locally_is_a_run_for_each_element_beside_the_parents(bench, load):
    assert load("kinds").dynamic_map(n=2) == [1, 2]
    runs = bench.runs(3)
    assert logged(runs, "dynamic_map", "children") == [[2]]
    assert sorted(logged(runs, "above", "x")) == [[0], [1]]


@pytest.mark.parametrize("order", BOTH_ORDERS)
def test_an_element_of_a_map_task_in_its_container_is_a_run_of_its_own(bench, order):
    """Both elements of one map task, by the entry point that the platform uses for them."""
    for index in (0, 1):
        bench.execute(order, {"x": [7, 8]}, index=index)
    runs = bench.runs(2)
    assert [run.id for run in runs] == ["f6af03c1-n0-0-n0-0", "f6af03c1-n0-0-n1-0"]
    assert [run.values("x") for run in runs] == [[7], [8]]
    assert [run.config["flyte"]["indices"] for run in runs] == [[0], [1]]
    assert len({run.name for run in runs}) == 2


@pytest.mark.parametrize("order", BOTH_ORDERS)
def test_an_eager_workflow_locally_is_a_run_around_those_of_its_tasks(bench, load, order):
    assert asyncio.run(getattr(load("kinds"), f"eager_{order}")(n=3)) == 6
    runs = bench.runs(4)
    assert logged(runs, f"eager_{order}", "before") == logged(runs, f"eager_{order}", "after") == [[3]]
    assert sorted(logged(runs, f"async_{order}", "x")) == [[0], [1], [2]]


def test_a_task_in_a_tasks_body_has_its_own_run_in_the_same_container(bench):
    """The body's call is no attempt of the platform's, so that only the outer run has the pod's name."""
    assert bench.execute("outer", {"x": 4}).outputs == {"o0": 5}
    outer, inner = bench.runs(2)
    assert outer.id == "f6af03c1-n0-0"
    assert inner.id != outer.id
    assert outer.values("at") == ["before", "after"]
    assert inner.values("x") == [4]
    assert outer.exit_code == inner.exit_code == 0
    assert inner.group == outer.group
    assert inner.config["flyte"]["task"] == "kinds.below"


@pytest.mark.parametrize(
    ("task", "inputs", "code", "kind", "message"),
    [
        ("raising", {"kind": "value"}, 1, "ValueError", "the data is bad"),
        ("raising", {"kind": "recoverable"}, 1, "flytekit.exceptions.user.FlyteRecoverableException", "try again"),
        ("async_raising", {"x": 1}, 1, "ValueError", "the data is bad"),
    ],
)
def test_a_task_that_raises_ends_its_run_as_failed_and_flyte_hears_the_users_error(
    bench, task, inputs, code, kind, message
):
    outcome = bench.execute(task, inputs)
    assert message in outcome.error
    run = bench.run()
    assert run.values("reached") == [1]
    assert run.exit_code == code
    assert run.summary["exception"]["type"] == kind
    assert message in run.summary["exception"]["message"]


def test_a_task_that_exits_ends_its_run_with_that_code(bench):
    with pytest.raises(SystemExit):
        bench.execute("raising", {"kind": "exit"})
    assert bench.run().exit_code == 3


def test_each_retry_is_a_run_of_its_own_in_the_group_of_the_execution(bench):
    for attempt in (0, 1):
        bench.execute("raising", {"kind": "recoverable"}, attempt=attempt)
    runs = bench.runs(2)
    assert [run.id for run in runs] == ["f6af03c1-n0-0", "f6af03c1-n0-1"]
    assert [run.config["flyte"]["attempt"] for run in runs] == [0, 1]
    assert len({run.group for run in runs}) == 1
    assert len({run.name for run in runs}) == 2


def test_with_resume_all_attempts_are_one_run_whose_notes_keep_the_users_own(bench):
    for attempt in (0, 1):
        bench.execute("continued", {"x": attempt}, attempt=attempt)
    runs = bench.runs(2)
    assert {run.id for run in runs} == {"f6af03c1-n0"}
    assert all(run.notes.splitlines()[0].startswith("[Execution URL](https://flyte.test/") for run in runs)
    assert all(run.notes.splitlines()[1:] == ["my own words"] for run in runs)


def test_with_resume_the_server_has_one_run_with_the_link_and_the_users_notes_once(bench, standin):
    for attempt in (0, 1):
        container = bench.container("kinds", "continued", {"x": attempt}, attempt=attempt)
        bench.execute_in_process_of_its_own(container, WANDB_MODE="online", WANDB_BASE_URL=standin.url)
    run = standin.run
    assert run.id == "f6af03c1-n0"
    assert run.values("x") == [0, 1]
    link, words = run.notes.splitlines()
    assert link.startswith("[Execution URL](https://flyte.test/")
    assert words == "my own words"
    assert run.config["flyte"]["attempts"] == [0, 1]


def test_a_given_id_wins_and_the_users_notes_follow_the_link(bench):
    bench.execute("chosen_id", {"x": 1})
    run = bench.run()
    assert run.id == "chosen"
    link, words = run.notes.splitlines()
    assert link.startswith("[Execution URL](https://flyte.test/")
    assert words == "what I wanted to try"


@pytest.mark.parametrize(("task", "mode"), [("switched_off", "online"), ("plain", "disabled")])
def test_what_is_switched_off_costs_no_import_no_file_and_no_secret(bench, task, mode):
    """By its argument or by the environment. In a process of its own: only there can be seen what was imported."""
    container = bench.container("quiet", task, {"x": 1})
    empty = container.folder / "empty"
    places = {f"WANDB_{name}": str(empty) for name in ("DIR", "DATA_DIR", "CACHE_DIR", "CONFIG_DIR")}
    env = {"_FSEC_WANDB_WANDB_API_KEY": None, "WANDB_MODE": mode, **places}
    outcome = bench.execute_in_process_of_its_own(container, **env)
    assert outcome.outputs == {"o0": "<QuietRun: this task is not tracked>, wandb is imported: False"}
    assert not empty.exists()
    assert bench.runs(0) == []


def test_with_a_flytekit_that_keeps_the_function_elsewhere_one_line_says_that_a_task_is_not_tracked(
    monkeypatch, capsys
):
    """The task runs as ever."""

    def double(x: int) -> int:
        return 2 * x

    monkeypatch.setattr(PythonFunctionTask, "task_function", property(lambda self: double))
    tracked = wandb_init(project="p", entity="e", secret=lambda: None)(task(double))
    assert "is not tracked" in capsys.readouterr().err
    monkeypatch.setattr(type(tracked), "execute", lambda self, **inputs: double(**inputs))
    assert tracked(x=3) == 6
