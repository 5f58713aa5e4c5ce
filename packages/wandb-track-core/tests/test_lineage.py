"""Edges are kept beside the run, whatever becomes of it."""

import pytest
from wandb.errors import CommError
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import read_lineage, run_folder, use_artifact


def test_an_input_is_kept_beside_the_run_also_where_the_server_cannot_give_it(wandb_online):
    """So that a later sync can tell the server of it."""
    with TrackedRun(TaskIdentity("chain", "task"), project="p") as run:
        folder = run_folder(run)
        with pytest.raises(CommError, match="not found"):
            use_artifact(run, "data", "v0")
    (edge,) = read_lineage(folder)
    assert (edge["edge"], edge["name"], edge["alias"]) == ("input", "data", "v0")
