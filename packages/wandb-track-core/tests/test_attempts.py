"""Retries: a run for each attempt, or one that all attempts continue; and the runs of a distributed task."""

import os
import subprocess
import sys

import pytest
import wandb
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_testing import offline
from wandb_track_testing.plugin import isolated_env, valid_key

IDENTITY = TaskIdentity(
    "chain", "train", key=("e1", "n0"), workflow="wf", execution="e1", url="https://chain.example/e1"
)


def attempt(number, standin=None, **arguments):
    server = {"mode": "offline"}
    if standin is not None:
        server = {"mode": "online", "entity": "acme", "api_key": valid_key, "base_url": standin.url}
    return TrackedRun(IDENTITY._replace(attempt=number), **{"project": "p", **server, **arguments})


def find_runs(folder):
    """The runs below a folder, once the service has written all that it holds."""
    wandb.teardown()
    return offline.find_runs(folder)


def test_by_default_every_attempt_is_its_own_run_and_they_share_a_group(wandb_env):
    with pytest.raises(ValueError, match="first"), attempt(0):
        raise ValueError("first")
    with attempt(1):
        pass
    runs = find_runs(wandb_env)
    assert {run.id: run.exit_code for run in runs} == {"e1-n0-0": 1, "e1-n0-1": 0}
    assert {run.group for run in runs} == {"wf/e1"}


def test_with_resume_the_attempts_continue_one_run_its_steps_config_and_notes(wandb_env, standin):
    with pytest.raises(ValueError, match="first"), attempt(0, standin, resume="allow", config={"lr": 0.1}) as run:
        run.notes = f"{run.notes}\nwritten by hand"
        run.log({"loss": 3.0})
        run.log({"loss": 2.0})
        raise ValueError("first")
    with attempt(1, standin, resume="allow", config={"lr": 0.1}) as run:
        assert run.resumed
        assert run.id == "e1-n0"
        run.log({"loss": 1.0})
    held = standin.runs["acme", "p", "e1-n0"]
    assert [(row["_step"], row["loss"]) for row in held.history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert held.config["lr"] == 0.1
    assert held.config["chain"]["attempts"] == [0, 1]
    assert held.config["chain"]["attempt"] == 1
    assert held.notes.count("[Execution URL]") == 1
    assert "written by hand" in held.notes
    assert held.exit_code == 0


def test_the_environment_can_ask_for_resuming_too(wandb_env, monkeypatch):
    monkeypatch.setenv("WANDB_RESUME", "allow")
    with attempt(1) as run:
        assert run.id == "e1-n0"


@pytest.mark.parametrize("by", ["argument", "settings", "environment"])
def test_a_run_that_is_resumed_from_one_of_its_steps_keeps_its_id(wandb_env, monkeypatch, by):
    """`resume_from` names the run: an id of the task's own would be another one."""
    moment = {"resume_from": "earlier?_step=3"}
    if by == "environment":
        monkeypatch.setenv("WANDB_RESUME_FROM", moment["resume_from"])
    arguments = {"argument": moment, "settings": {"settings": wandb.Settings(**moment)}, "environment": {}}[by]
    with attempt(1, **arguments) as run:
        assert run.id == "earlier"
        assert run.config["chain"]["attempt"] == 1


def test_the_same_id_twice_at_once_gives_the_second_run_an_id_beside_it(wandb_env, capfd):
    with attempt(0) as first, attempt(0) as second:
        assert first.id == "e1-n0-0"
        assert second.id.startswith("e1-n0-0")
        assert second.id != first.id
        first.log({"of": "first"})
        second.log({"of": "second"})
    runs = {run.id: run for run in find_runs(wandb_env)}
    assert runs["e1-n0-0"].values("of") == ["first"]
    assert len(runs) == 2
    assert "its own id is taken" in capfd.readouterr().err


def as_rank(monkeypatch, rank, size=4):
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(size))


def test_by_default_rank_0_opens_the_run_and_the_others_are_quiet(wandb_env, monkeypatch):
    for rank in range(4):
        as_rank(monkeypatch, rank)
        with attempt(0) as run:
            run.log({"rank": rank})
            wandb.log({"plain": rank})
            assert run.disabled == (rank != 0)
    (kept,) = find_runs(wandb_env)
    assert kept.values("rank") == [0]
    assert kept.id == "e1-n0-0"


def test_on_request_each_rank_has_a_run_named_by_it_in_one_group(wandb_env, monkeypatch):
    for rank in range(3):
        as_rank(monkeypatch, rank)
        with attempt(0, ranks="all") as run:
            run.log({"rank": rank})
    runs = find_runs(wandb_env)
    assert {run.id for run in runs} == {"e1-n0-rank0-0", "e1-n0-rank1-0", "e1-n0-rank2-0"}
    assert {run.group for run in runs} == {"wf/e1"}
    assert {run.values("rank")[0]: "rank" + str(run.values("rank")[0]) in run.name for run in runs} == dict.fromkeys(
        range(3), True
    )


def test_a_world_of_one_process_is_no_distributed_task(wandb_env, monkeypatch):
    as_rank(monkeypatch, 0, size=1)
    with attempt(0, ranks="all") as run:
        assert run.id == "e1-n0-0"


TORCHRUN = """
import os, sys
import torch, torch.distributed as dist
from wandb_track_core import TaskIdentity, TrackedRun
dist.init_process_group("gloo")
rank = dist.get_rank()
identity = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
with TrackedRun(identity, project="p", ranks=os.environ["RANKS"]) as run:
    total = torch.tensor([rank + 1.0])
    dist.all_reduce(total)
    run.log({"total": total.item(), "rank": rank})
    if rank == int(os.environ["FAILS"]):
        raise ValueError("this rank fails")
dist.destroy_process_group()  # or its threads may abort the process as it ends
"""


@pytest.mark.parametrize(
    ("ranks", "fails", "expected"),
    [
        ("first", -1, {"e1-n0-0": 0}),
        ("all", 2, {"e1-n0-rank0-0": 0, "e1-n0-rank1-0": 0, "e1-n0-rank2-0": 1, "e1-n0-rank3-0": 0}),
    ],
)
def test_under_torchrun_four_processes_agree_on_who_opens_which_run(tmp_path, ranks, fails, expected):
    pytest.importorskip("torch")
    script = tmp_path / "train.py"
    script.write_text(TORCHRUN)
    env = isolated_env(tmp_path, RANKS=ranks, FAILS=str(fails), OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4", str(script)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode == 0) == (fails < 0), done.stderr
    runs = {run.id: run for run in offline.find_runs(tmp_path)}
    assert set(runs) == set(expected)
    # torchrun ends the other processes as soon as one has failed: those that were not done yet say 143.
    assert all(
        run.exit_code in ({code} if code or fails < 0 else {0, 143})
        for run, code in zip((runs[name] for name in expected), expected.values(), strict=True)
    )
    assert all(run.values("total") == [10.0] for run in runs.values())


def test_the_environment_of_this_test_names_no_rank():
    assert "RANK" not in os.environ


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_offline_and_disabled_win_over_ranks_that_share_a_run(wandb_env, monkeypatch, mode):
    """No server is asked, though the client's shared mode needs one."""
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    identity = TaskIdentity("chain", "train", key=("e1", "n0"), rank=1)
    with TrackedRun(identity, project="p", ranks="shared") as run:
        run.log({"a": 1})
        assert run.disabled == (mode == "disabled")
        assert run.offline == (mode == "offline")
