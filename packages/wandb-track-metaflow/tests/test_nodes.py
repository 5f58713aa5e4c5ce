"""Steps on several nodes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_each_node_of_a_parallel_step_is_a_run_that_tells_its_node(workplace):
    """Each node is a task of its own in Metaflow, with data of its own."""
    execution = workplace.run("nodes.py")
    nodes = [run.config["metaflow"] for run in execution.of("work")]
    assert [(facts["node_index"], facts["num_nodes"]) for facts in nodes] == [(0, 2), (1, 2)]
    assert [run.summary["node"] for run in execution.of("work")] == [0, 1]
    assert [run.name.rpartition("-")[2] for run in execution.of("work")] == ["0", "1"]
    assert execution.only("join").summary["nodes"] == [0, 1]


def test_on_request_only_the_first_node_is_tracked(workplace):
    """The others run their code with a quiet run."""
    workplace.env["RANKS"] = "first"
    execution = workplace.run("nodes.py")
    assert execution.only("work").summary["node"] == 0
    assert execution.only("join").summary["nodes"] == [0, 1]
