"""A tracked step holds what the same step holds untracked, and at most a fifth of a value more."""

import re

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("pandas")
resource = pytest.importorskip("resource")
SIZE = 192
"""MiB of a value: beside it, the import of pyarrow takes some 20."""


def rises(execution):
    """How many MiB each step's process rose above what it had when the step's code began."""
    return {name: int(rise) for name, rise in re.findall(r"ROSE (\w+) (\d+)", execution.output)}


def test_a_step_that_lets_values_go_makes_one_or_reads_one_holds_hardly_more_than_untracked(workplace_of):
    """Four values read and let go one after the other; a frame made, and read; a million small strings."""
    untracked = rises(workplace_of("untracked", MEGABYTES=str(SIZE)).run("memory.py"))
    flags = "wandb_log:datasets=true,models=true,others=true"
    tracked = rises(workplace_of("tracked", MEGABYTES=str(SIZE)).run("memory.py", "--with", flags))
    assert set(untracked) == {"lets_go", "makes", "reads", "reads_many"}
    more = {name: tracked[name] - untracked[name] for name in untracked}
    assert max(more.values()) <= 0.2 * SIZE, (more, untracked)
