"""Flows on the model of Metaflow's own test suite give the same verdicts with tracking, added by the environment alone.

`metaflow_suite.py` runs that suite itself.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

WITH = "wandb_log:datasets=True,models=True,others=True"
SHAPES = {
    "Linear": 3,
    "Branch": 5,
    "NestedBranches": 8,
    "Foreach": 10,
    "Switch": 3,
    "Recursive": 4,
    "Parameters": 2,
    "Mutators": 2,
    "Retry": 4,
    "Timeout": 2,
    "Exits": 2,
    "Killed": 3,
    "Current": 2,
    "Cards": 2,
    "Project": 2,
    "Gang": 5,
    "UserDecorator": 2,
    "Inherited": 2,
    "Lineage": 2,
    "Classes": 2,
}
"""Each flow, and its task attempts, every one of which is a run."""
FAILS = {"Exits": 1}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flow_that_knows_nothing_of_tracking_ends_as_without_it(workplace_of, shape):
    """And each attempt of its tasks is a run, with one line at most, which is about what W&B cannot store."""
    place = workplace_of(shape, SHAPE=shape, METAFLOW_DEFAULT_DECOSPECS=WITH)
    execution = place.run("shapes.py", check=False)
    assert execution.returncode == FAILS.get(shape, 0), execution.output
    assert len(execution.runs) == SHAPES[shape]
    assert "wandb-track itself failed" not in execution.output
    assert "off in this flow" not in execution.output
