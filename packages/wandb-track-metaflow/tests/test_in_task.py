"""What people do inside a tracked step works as with plain wandb: the rows of docs/in-task.md, in one flow."""

import pytest

FLOW = "in_task.py"


@pytest.fixture(scope="module")
def execution(workplace):
    return workplace.run(FLOW)


def by_id(execution, run_id):
    (run,) = (run for run in execution.runs if run.id == run_id)
    return run


def test_the_flow_ends_well_and_its_values_are_as_ever(execution):
    assert "RESULT [1, 2]" in execution.output
    assert "inside wandb-track" not in execution.output


def test_methods_threads_config_and_summary_are_the_steps_own(execution):
    run = execution.only("start")
    assert [artifact.type for artifact in run.artifacts] == ["model"] * 3
    assert {"a", "b"} < {artifact.name for artifact in run.artifacts}
    assert (run.values("thread"), run.values("handle"), run.values("loss")) == ([1, 2], [1], [0.5, 0.25, 0.75])
    assert (run.config["own"], run.config["lr"], run.config["depth"], run.summary["best"]) == (3, 0.1, 4, 0.25)
    assert ("mine" in run.tags, run.name, run.exit_code) == (True, "own name", 0)
    assert run.notes.endswith("note")


def test_further_runs_are_of_their_own_and_the_step_takes_values_after_its_finish(execution):
    assert by_id(execution, "extra").values("extra") == [1]
    assert by_id(execution, "second").exit_code == 0
    run = execution.only("own")
    assert run.exit_code == 0
    assert run.summary["late"] == [1, 2]
    assert run.summary["tracked_late"] == 3
    assert [artifact.name for artifact in run.artifacts] == ["late_bytes"]
    assert execution.used(run) == {("elsewhere", "v3")}


def test_children_log_to_the_steps_run_or_to_one_of_their_own(execution):
    assert execution.only("processes").values("child") == [1, 1]
    assert by_id(execution, "child").exit_code == 0


def test_a_run_that_a_failed_step_leaves_open_ends_as_the_step_does(execution):
    left, run = by_id(execution, "left-open"), execution.only("left_open")
    assert (left.values("left"), left.exit_code, run.exit_code) == ([1], 1, 1)
    assert left.summary["exception"]["message"] == run.summary["exception"]["message"] == "on purpose"


def test_each_attempt_is_a_run_with_its_own_outcome(execution):
    first, second = execution.of("again")
    assert (first.values("attempt"), first.exit_code) == ([0], 1)
    assert (second.values("attempt"), second.exit_code) == ([1], 0)


def test_a_run_that_is_switched_off_keeps_nothing_and_leaves_the_steps_run_current(execution):
    run = execution.only("end")
    assert run.values("somewhere") == [1]
    assert not any("nowhere" in row for row in run.history)
