"""How a container's process can end, or be hurt, in mid-task: each under `pyflyte-execute`."""

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import needs_flushing, services_of, wait_until


@pytest.fixture
def execute(bench):
    """Run the task that hurts itself: the process's exit code, its outcome, and the runs that it left."""

    def run(how, **env):
        container = bench.container("hurt", "hurt", {"how": how})
        with bench.start(container, **env) as process:
            said, _ = process.communicate(timeout=120)
        wait_until(lambda: not services_of(process.pid))  # it writes the end of a log a moment after
        runs = [found for found in find_runs(bench.folder) if found.path not in bench.seen]
        return process.returncode, container.outcome(said), runs

    return run


@pytest.mark.parametrize(
    ("how", "ends_with", "run_ends_with"),
    [
        ("exit 0", 0, 0),
        ("exit 3", 3, 3),
        ("interrupt", 1, 130),  # click ends it with 1
        pytest.param("_exit", 5, None, marks=needs_flushing),
        pytest.param("kill", -9, None, marks=needs_flushing),
    ],
)
def test_a_process_that_is_ended_ends_as_it_would_and_its_run_says_how(execute, how, ends_with, run_ends_with):
    code, outcome, (run,) = execute(how)
    assert code == ends_with
    assert outcome.outputs == {}
    assert run.values("loss") == [1.0]
    assert run.exit_code == run_ends_with


@pytest.mark.parametrize(("how", "error"), [("memory", "MemoryError"), ("own handler", "RuntimeError: mine")])
def test_an_error_is_flytes_and_the_run_has_failed(execute, how, error):
    _, outcome, (run,) = execute(how)
    assert error in outcome.error
    assert run.exit_code == 1
    assert run.values("loss") == [1.0]


def test_a_forked_child_does_not_end_the_run(execute):
    code, outcome, (run,) = execute("fork")
    assert (code, outcome.outputs, run.exit_code) == (0, {"o0": 42}, 0)
    assert run.values("loss") == [1.0, 0.5]


@needs_flushing
def test_a_service_that_is_killed_changes_no_result_and_loses_no_row(execute):
    code, outcome, runs = execute("service")
    assert (code, outcome.outputs) == (0, {"o0": 42})
    assert [value for run in runs for value in run.values("loss")] == [1.0, 0.5]
    assert [run.exit_code for run in runs] == [None, 0]
    assert "wandb-track: " in outcome.said


def test_a_dead_service_that_was_inherited_is_replaced(execute, tmp_path):
    code, outcome, (run,) = execute("nothing", WANDB_SERVICE=f"3-1-unix-{tmp_path}/nobody-listens-here")
    assert (code, outcome.outputs, run.exit_code) == (0, {"o0": 42}, 0)
