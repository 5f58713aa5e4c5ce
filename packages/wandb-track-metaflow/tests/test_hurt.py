"""How a step's process can end, or be hurt, in mid-step, in a run whose inherited service is dead."""

from __future__ import annotations

import pytest
from wandb_track_testing.plugin import needs_flushing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def attempts(workplace_of):
    """The runs of each task of the foreach, by what hurt it and by attempt."""
    place = workplace_of("hurt", WANDB_SERVICE="3-1-unix-/nowhere/nobody-listens-here")
    execution = place.run("hurt.py")
    assert f"results {[42] * 7}" in execution.output
    found = {}
    for run in execution.of("hurt"):
        found.setdefault(run.config["how"], {}).setdefault(run.config["metaflow"]["attempt"], []).append(run)
    return found


@pytest.mark.parametrize(
    ("how", "ends_with"),
    [
        ("exit 3", 3),
        ("interrupt", 130),
        ("memory", 1),
        pytest.param("_exit", None, marks=needs_flushing),
        ("own handler", 1),
    ],
)
def test_an_attempt_that_is_ended_says_how_and_the_next_one_is_a_run_of_its_own(attempts, how, ends_with):
    (first,), (second,) = attempts[how][0], attempts[how][1]
    assert (first.exit_code, first.values("loss")) == (ends_with, [1.0])
    assert (second.exit_code, second.values("loss")) == (0, [1.0, 0.5])


def test_a_forked_child_does_not_end_the_run(attempts):
    ((run,),) = attempts["fork"].values()
    assert (run.exit_code, run.values("loss")) == (0, [1.0, 0.5])


@needs_flushing
def test_a_service_that_is_killed_changes_no_result_and_loses_no_row(attempts):
    (runs,) = attempts["service"].values()
    assert [value for run in runs for value in run.values("loss")] == [1.0, 0.5]
    assert [run.exit_code for run in runs] == [None, 0]
