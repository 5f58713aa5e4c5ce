"""Ops and assets of Dagster, run in one process: what their runs hold, what Dagster shows, and how they end."""

from pathlib import Path

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

HERE = str(Path(__file__).parent)
START = f"""
import sys; sys.path.insert(0, {HERE!r})
import dagster as dg
from tracking import tracked, upload, use
from wandb_track_core import current_run
"""


def run(folder, code):
    done = run_python(START + code, isolated_env(folder))
    return find_runs(folder), done.stdout


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    run_python(Path(HERE, "assets.py"), isolated_env(folder), str(folder))
    return {each.job_type: each for each in find_runs(folder)}


def test_each_asset_is_a_run_in_the_group_of_its_execution(assets):
    assert assets.keys() == {"points", "slope"}
    assert {each.exit_code for each in assets.values()} == {0}
    assert len({each.group for each in assets.values()}) == 1
    assert len(assets["slope"].values("error")) == 20


def test_what_an_asset_uploads_is_what_the_next_one_uses(assets):
    (made,), (used,) = (read_lineage(assets[name].path.parent) for name in ("points", "slope"))
    assert (made["edge"], used["edge"]) == ("output", "input")
    assert made["name"] == used["name"] == "points.json"
    assert used["alias"] in made["aliases"]


def test_the_materialization_shows_run_and_version(tmp_path):
    runs, shown = run(
        tmp_path,
        """
@dg.asset
@tracked(project="p")
def made(context: dg.AssetExecutionContext) -> None:
    open("file.txt", "w").write("contents")
    upload(context, "file.txt")

(event,) = dg.materialize([made]).asset_materializations_for_node("made")
print(event.metadata["wandb_run"].value, event.metadata["wandb_artifact"].value)
""",
    )
    folder, version = shown.split()
    assert Path(folder).parent == runs[0].folder
    assert version.startswith("file.txt:sha-")


def test_a_step_that_raises_has_failed_and_each_retry_is_a_run(tmp_path):
    runs, _ = run(
        tmp_path,
        """
@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
@tracked(project="p")
def flaky(context: dg.OpExecutionContext):
    if context.retry_number == 0:
        raise ValueError("not yet")

@dg.op
@tracked(project="p")
def broken(context: dg.OpExecutionContext):
    raise ValueError("mine")

@dg.job
def both():
    flaky()
    broken()

result = both.execute_in_process(raise_on_error=False)
assert not result.success
assert "mine" in str(result.failure_data_for_node("broken").error)
""",
    )
    ended = sorted((each.job_type, each.config["dagster"]["attempt"], each.exit_code) for each in runs)
    assert ended == [("broken", 0, 1), ("flaky", 0, 1), ("flaky", 1, 0)]
    assert len({each.id for each in runs}) == 3


def test_a_partition_is_part_of_the_identity(tmp_path):
    runs, _ = run(
        tmp_path,
        """
@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
@tracked(project="p")
def daily(context: dg.AssetExecutionContext) -> None: ...

for key in "ab":
    assert dg.materialize([daily], partition_key=key).success
""",
    )
    assert {each.config["dagster"]["partition"]: list(each.tags) for each in runs} == {
        "a": ["partition:a"],
        "b": ["partition:b"],
    }
    assert all(f"-{each.config['dagster']['partition']}-" in each.id for each in runs)


def test_the_config_of_an_op_is_in_that_of_the_run(tmp_path):
    runs, _ = run(
        tmp_path,
        """
class Rate(dg.Config):
    rate: float

@dg.op
@tracked(project="p")
def train(context: dg.OpExecutionContext, config: Rate) -> None: ...

@dg.job
def job():
    train()

assert job.execute_in_process(run_config={"ops": {"train": {"config": {"rate": 0.5}}}}).success
""",
    )
    assert runs[0].config["rate"] == 0.5
