"""Steps that fail, are retried, caught, timed out or resumed: each run ends as its attempt did."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from wandb_track_metaflow._step import alarm_stopped
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import valid_key, wait_until

FLOW = "endings.py"


@pytest.fixture(scope="module")
def failed(workplace):
    workplace.env["HOW"] = "raise"
    return workplace.run(FLOW, check=False)


def resume(workplace, how):
    workplace.env["HOW"] = how
    return workplace.call(FLOW, "--no-pylint", "resume", "last", check=False)


def test_a_failing_step_fails_as_it_would_untracked_and_what_it_had_made_is_logged(failed):
    """Its summary, its artifacts, and the exception."""
    run = failed.only("last")
    assert failed.returncode == 1
    assert "RuntimeError: for good" in failed.output
    assert run.exit_code == 1
    assert run.summary["exception"] == {"type": "RuntimeError", "message": "for good"}
    assert run.summary["before"] == "the end"
    assert [artifact.name for artifact in run.artifacts] == ["produced"]
    assert set(failed.made(run)) == {"produced"}


def test_each_attempt_is_a_run_of_its_own(failed):
    """The failed one stays failed; both are in one group."""
    first, second = failed.of("flaky")
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert (first.id[-2:], second.id[-2:]) == ("-0", "-1")
    assert second.name.endswith("-attempt1")
    assert first.group == second.group
    assert (first.summary["attempt"], second.summary["attempt"]) == (0, 1)


def test_on_request_the_attempts_continue_one_run(workplace_of, standin):
    """Its history goes on, and its summary is that of the last attempt."""
    execution = workplace_of("again", **standin.env()).run("again.py")
    (run,) = standin.runs.values()
    assert (run.opened, run.exit_code) == (2, 0)
    assert run.values("loss") == [1.0, 0.0]
    assert (run.summary["attempt"], run.summary["same"]) == (1, "in both")
    assert "wandb-track:" not in execution.output


def test_a_caught_failure_is_a_failed_run_and_the_flow_goes_on(failed):
    """With `@catch` above us."""
    run = failed.only("caught")
    assert run.exit_code == 1
    assert run.summary["exception"] == {"type": "ValueError", "message": "to be caught"}
    assert run.summary["before"] == "the failure"
    assert [artifact.name for artifact in run.artifacts][:1] == ["produced"]


def test_a_step_that_timed_out_is_a_failed_run(failed):
    """With `@timeout` below us: what tracking takes does not count, or the step would not have begun."""
    run = failed.only("slow")
    assert run.exit_code == 1
    assert run.summary["exception"]["type"].endswith("TimeoutException")
    assert run.summary["before"] == "the timeout"


def test_other_steps_of_the_failed_flow_have_ended_well(failed):
    """Joins of the caught branches included."""
    assert [run.exit_code for run in (failed.only("start"), failed.only("join"))] == [0, 0]


def test_sys_exit_keeps_its_code(failed, workplace):
    """What the step had made is logged, though Metaflow tells no decorator of it."""
    run = resume(workplace, "exit").only("last")
    assert run.exit_code == 3
    assert run.summary["before"] == "the end"
    assert [artifact.name for artifact in run.artifacts] == ["produced"]


def test_an_interrupted_step_ends_with_130(failed, workplace):
    """As a shell would have it."""
    run = resume(workplace, "interrupt").only("last")
    assert run.exit_code == 130
    assert run.summary["exception"]["type"] == "KeyboardInterrupt"


def test_a_step_that_is_terminated_ends_with_143_and_is_marked_as_preempted(failed, workplace):
    """As when a cloud takes the machine back."""
    run = resume(workplace, "terminated").only("last")
    assert (run.exit_code, run.preempting) == (143, True)


def test_so_does_one_whose_whole_process_group_is_terminated(failed, workplace):
    """As a shell, systemd or a CI runner ends a flow: the parent, which reads the step's output, is gone first."""
    before = {run.path for run in find_runs(workplace.folder)}
    env = {name: value for name, value in workplace.env.items() if name != "WANDB_SILENT"} | {"HOW": "waiting"}
    command = workplace.command(FLOW, "--no-pylint", "resume", "last")
    flow = subprocess.Popen(
        command, cwd=workplace.folder, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert any("the step waits" in line for line in flow.stdout)
    flow.stdout.close()
    os.killpg(flow.pid, signal.SIGTERM)
    flow.wait()

    def ends():
        return [(run.exit_code, run.preempting) for run in find_runs(workplace.folder) if run.path not in before]

    wait_until(lambda: ends() == [(143, True)])


def test_where_the_server_cannot_be_reached_the_flow_goes_on_and_its_runs_are_kept(workplace_of):
    """Each task says how its run is synced."""
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": valid_key}
    place = workplace_of("unreachable", **online)
    execution = place.run("plain.py", "--with", "wandb_log:datasets=true,init_timeout=1")
    execution.runs = [run for run in execution.runs if run.folder.name.startswith("offline-run-")]
    assert [run.exit_code for run in execution.runs] == [0, 0]
    assert execution.used("end") == set(execution.made("start").items())
    assert execution.output.count("wandb-track: the run is kept on this disk, because the tracker failed:") == 2
    assert all(f"Sync it with: wandb sync {run.folder}" in execution.output for run in execution.runs)


def test_the_clock_of_timeout_stands_still_while_a_run_is_opened_and_closed():
    """What was left to the step before is left to it afterwards."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with alarm_stopped():
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
            time.sleep(0.3)
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0 < left <= 0.2
        with alarm_stopped():
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_step_whose_variable_metaflow_cannot_store_is_a_failed_run(failed, workplace):
    """The run is closed, though Metaflow ends the task without a word; the line names the variable."""
    execution = resume(workplace, "unpicklable")
    run = execution.only("last")
    assert execution.returncode == 1
    assert run.exit_code == 1
    assert [artifact.name for artifact in run.artifacts] == ["produced"]
    assert "wandb-track: not logged: lock: " in execution.output


def test_a_resumed_runs_tasks_say_which_run_they_continue_and_cloned_ones_make_no_run(failed, workplace):
    """Only the steps that run code are tracked."""
    resumed = resume(workplace, "well")
    assert resumed.returncode == 0
    assert [run.config["metaflow"]["task"] for run in resumed.runs] == ["last", "end"]
    assert {run.config["metaflow"]["origin_run_id"] for run in resumed.runs} == {failed.run_id}
    assert resumed.run_id != failed.run_id
    assert resumed.made("last") == failed.made("last")


def test_a_tracker_that_does_not_answer_delays_a_step_by_seconds(workplace_of):
    """Its service stopped, or all connections closed: the client itself would wait for ever."""
    execution = workplace_of("hangs").run("hangs.py")
    assert "results [(1, (1+2j)), (1, (1+2j))]" in execution.output
    assert execution.output.count("what the step set is not logged, as the tracker does not answer") == 2
    assert execution.output.count("finishing the run did not come back within 5 s") == 2
    assert execution.only("join").exit_code == 0
