"""A step that the platform ends: its run says so, and the attempt that follows is tracked as ever."""

from __future__ import annotations

import pytest
from wandb_track_testing.plugin import needs_flushing, valid_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def execution(workplace):
    return workplace.run("taken_away.py")


def test_a_step_that_is_terminated_ends_its_run_as_preempted_with_143(execution):
    first, second = execution.of("terminated")
    assert (first.exit_code, first.preempting, first.values("attempt")) == (143, True, [0])
    assert (second.exit_code, second.preempting, second.values("attempt")) == (0, False, [1])


@needs_flushing
def test_a_step_that_is_killed_leaves_what_it_logged_in_a_run_without_an_end(execution):
    first, second = execution.of("killed")
    assert (first.exit_code, first.values("attempt")) == (None, [0])
    assert (second.exit_code, second.values("attempt")) == (0, [1])


def test_with_resume_the_attempts_of_a_step_continue_one_run(workplace_of, standin_session):
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": standin_session.url, "WANDB_API_KEY": valid_key}
    workplace_of("online", **online, WANDB_PROJECT="taken-away", WANDB_ENTITY="acme").run("taken_away.py")
    (run,) = [
        run
        for key, run in standin_session.runs.items()
        if key[1] == "taken-away" and run.config["metaflow"]["task"] == "continued"
    ]
    assert [(row["_step"], row["attempt"]) for row in run.history] == [(0, 0), (1, 1)]
    assert run.config["metaflow"]["attempts"] == [0, 1]
    assert run.exit_code == 0
