"""What people do inside a tracked task works as with plain wandb, in containers and locally."""

import asyncio

import pytest
import wandb

OK = [0, 1, 2]


def by_task(runs):
    return {run.job_type: run for run in runs}


def test_artifacts_init_reinit_finish_names_and_threads_in_one_container(bench):
    assert bench.execute("everything", {"x": 3}, module="in_task").outputs == {"o0": 3}
    runs = {run.id: run for run in bench.runs(2)}
    extra = runs.pop("extra-3")
    (task,) = runs.values()
    assert (extra.values("extra"), extra.exit_code) == ([3], 0)
    assert (task.config["own"], task.values("thread"), task.summary["late"], task.exit_code) == (3, [3], 3, 0)
    assert "mine" in task.tags
    assert sorted(artifact.type for artifact in task.artifacts) == ["model", "model", "model"]


@pytest.mark.parametrize("task", ["outer", "planning"])
def test_a_thread_without_a_context_belongs_to_the_innermost_task(bench, load, task):
    assert getattr(load("in_task"), task)(x=5) == 5
    runs = by_task(bench.runs(2))
    assert runs["inner"].values("inner") == [5, 6]
    assert runs[task].values("inner") == []
    assert task == "planning" or runs[task].values("outer") == [5]


@pytest.mark.parametrize("task", ["numbers", "numbers_below"])
def test_the_run_of_a_generator_task_is_open_while_it_yields(bench, load, task):
    assert list(getattr(load("in_task"), task)(n=2)) == [0, 1]
    assert wandb.run is None
    run = bench.run()
    assert (run.values("i"), run.exit_code) == ([0, 1], 0)


def test_a_generator_task_that_raises_in_the_middle_has_failed(bench):
    assert "in the middle" in bench.execute("numbers", {"n": 5}, module="in_task").error
    run = bench.run()
    assert (run.values("i"), run.exit_code) == (OK, 1)
    assert "in the middle" in run.summary["exception"]["message"]


def test_an_asynchronous_generator_is_tracked_and_may_be_left_early(bench, load):
    async def first(count):
        found = []
        generator = load("in_task").stream(n=5)
        async for item in generator:
            found.append(item)
            if len(found) == count:
                break
        await generator.aclose()
        return found

    assert asyncio.run(first(2)) == [0, 1]
    run = bench.run()
    assert (run.values("i"), run.exit_code) == ([0, 1], 0)


def test_a_result_of_the_wrong_type_fails_the_run_as_it_fails_the_attempt(bench):
    assert "wrong_type" in bench.execute("wrong_type", {"x": 3}, module="in_task").error
    run = bench.run()
    assert (run.values("x"), run.exit_code) == ([3], 1)
    assert "Failed to convert" in run.summary["exception"]["message"]


def test_a_decorator_above_that_asks_for_the_functions_source_finds_it(bench, load):
    assert load("in_task").sourced(x=3) == 3
    assert bench.run().values("x") == [3]


def test_in_a_container_a_child_process_and_the_api_have_the_tasks_key(bench, standin):
    container = bench.container("in_task", "needs_key", {"x": 1})
    more = {"WANDB_TEST_HOST": standin.url, "WANDB_MODE": "online", "WANDB_API_KEY": None, "WANDB_BASE_URL": None}
    assert bench.execute_in_process_of_its_own(container, **more).outputs == {"o0": "tester"}
    assert {key[-1] for key in standin.runs} == {"f6af03c1-n0-0", "child"}
