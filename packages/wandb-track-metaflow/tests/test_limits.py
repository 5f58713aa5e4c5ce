"""What is too much, too large, or in the way: bounded, and said in a line."""

from __future__ import annotations

import pytest
from wandb_track_core.adapters import legal_artifact_name
from wandb_track_metaflow._outputs import MAX_ARTIFACTS, MAX_SUMMARY_SIZE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def execution(workplace):
    workplace.env.update(ARTIFACTS="10000", VALUES="100")
    return workplace.run("wide.py")


def test_of_ten_thousand_artifacts_a_bounded_number_is_logged_and_the_rest_is_counted(execution):
    """In the order in which the step set them, and the flow goes on as without us."""
    artifacts = execution.only("start").artifacts
    assert len(artifacts) == MAX_ARTIFACTS
    assert (artifacts[0].name, artifacts[-1].name) == ("thing_00000", f"thing_{MAX_ARTIFACTS - 1:05}")
    assert f"at most {MAX_ARTIFACTS:,} artifacts of a step are logged" in execution.output
    assert "thing_01000, thing_01001, thing_01002, thing_01003, thing_01004 and " in execution.output


def test_summary_takes_a_bounded_number_of_bytes_and_says_what_it_left_out(execution):
    """Of bounded size each."""
    summary = execution.only("start").summary
    values = [name for name in summary if name.startswith("value_")]
    assert len(values) == MAX_SUMMARY_SIZE // 99_000 + 1
    assert "not logged: value_00085, value_00086, " in execution.output
    assert f" more: a summary takes {MAX_SUMMARY_SIZE:,} bytes of a step's variables" in execution.output


def test_a_value_that_the_steps_own_code_has_logged_is_not_overwritten(execution):
    """Many steps keep the metric that they log."""
    summary = execution.only("start").summary
    assert (summary["loss"], summary["score"], summary["classes"]) == (0.25, 0.5, {"a": [1, 2]})


def test_include_lets_only_some_names_through_inputs_as_outputs(execution):
    """By pattern; what it read is an input, what it set an output."""
    end = execution.only("end")
    assert [artifact.name for artifact in end.artifacts] == ["thing_00001"]
    assert execution.used(end) == {("thing_00002", execution.made("start")["thing_00002"])}


@pytest.fixture(scope="module")
def narrow(workplace):
    workplace.env.update(ARTIFACTS="3", VALUES="1")
    return workplace.run("wide.py")


def test_what_is_larger_than_max_size_is_left_out_and_said(narrow):
    """The variable and the limit are named; nothing else is lost with it."""
    start = narrow.only("start")
    names = {artifact.name for artifact in start.artifacts}
    assert "large" not in names
    assert {"thing_00000", "function"} <= names
    assert "not logged: large: 'large' takes " in narrow.output
    assert "over the limit of 100,000" in narrow.output
    assert len(start.summary["text"]) < 100_100
    assert start.summary["text"].endswith("(1,000,000 characters)")


def test_a_variable_may_be_named_like_anything_of_wandbs(narrow):
    """Names that W&B forbids are cleaned, the same way in every step."""
    start = narrow.only("start")
    assert start.summary["config"] == "named like a part of the run"
    assert legal_artifact_name("name_with_ümlaut") in {artifact.name for artifact in start.artifacts}
