"""Steps with and without tracking in one flow: no branch fails for it, and lineage goes through all of them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

FLOW = "mixed.py"
STATE = """
run = Flow("Mixed").latest_run
state = {step.id: {each.id: str(each.data) for each in step.task if not each.id.startswith("_")} for step in run}
print(json.dumps(state))
"""


@pytest.fixture(scope="module")
def failed(workplace):
    """A run whose last step failed. All before is as it would be without tracking, or the join would have failed."""
    workplace.env["FAIL"] = "1"
    execution = workplace.run(FLOW, check=False)
    assert "for now" in execution.output
    assert {run.config["metaflow"]["task"]: run.exit_code for run in execution.runs} == {
        "start": 0,
        "tracked": 0,
        "wrapped": 0,
        "fan": 0,
        "gather": 0,
        "last": 1,
    }
    return execution


@pytest.fixture(scope="module")
def resumed(failed, workplace):
    del workplace.env["FAIL"]
    return workplace.call(FLOW, "--no-pylint", "resume", "last")


def test_lineage_goes_through_branches_joins_and_steps_without_tracking(failed):
    """Of frames and estimators that Metaflow has stored again, under other keys, on their way."""
    start = failed.made("start")
    both = {("frame", start["frame"]), ("forest", start["forest"])}
    assert failed.used("tracked") == both
    assert all(failed.used(run) == {("frame", start["frame"])} for run in failed.of("fan"))
    assert failed.used("last") == both | {("edited", failed.made("wrapped")["edited"])}
    made = {name for run in failed.runs if run.config["metaflow"]["task"] != "start" for name in failed.made(run)}
    assert made == {"edited"}


def test_what_metaflows_own_step_decorators_read_is_input_and_what_a_step_reads_and_sets_is_both(failed):
    """Before and after the step's code, which is all that we decorate."""
    start = failed.made("start")
    assert failed.used("wrapped") == {(name, start[name]) for name in ("early", "late", "edited")}
    assert set(failed.made("wrapped")) == {"edited"}
    assert failed.made("wrapped")["edited"] != start["edited"]
    assert failed.only("wrapped").summary["after"] == 5


def test_after_resume_a_step_is_linked_to_what_the_run_before_it_made(failed, resumed):
    """The tasks before it are cloned: no code of theirs ran."""
    start = failed.made("start")
    assert {name: alias for name, alias in resumed.used("last") if name != "edited"} == {
        name: start[name] for name in ("frame", "forest")
    }
    assert resumed.only("last").exit_code == 0


def test_the_elements_of_an_excluded_variable_are_shown_nowhere(failed):
    """Neither in names nor in config; the index tells the siblings."""
    runs = failed.of("fan")
    assert [run.config["metaflow"]["indices"] for run in runs] == [[0], [1]]
    assert not any("hush" in f"{run.name} {run.config}" for run in runs)


def test_a_parameter_that_is_named_like_our_key_is_shown_beside_it(failed):
    """And what tells the task is not lost."""
    config = failed.only("start").config
    assert config["parameter_metaflow"] == "named like our key"
    assert config["metaflow"]["task"] == "start"


def test_metaflows_client_finds_what_it_finds_without_tracking(resumed, workplace, workplace_of):
    """All variables of all steps, and their values."""
    other = workplace_of("plain", UNTRACKED="1")
    other.run(FLOW)
    assert workplace.client(STATE) == other.client(STATE)
