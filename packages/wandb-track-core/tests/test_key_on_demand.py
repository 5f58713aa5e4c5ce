"""When a key is asked for, and what becomes of a run that has none; two runs of one identity at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import wandb
from wandb_track_core import MissingKeyError, TaskIdentity, TrackedRun
from wandb_track_testing.offline import find_runs

IDENTITY = TaskIdentity(orchestrator="test", task="train", key=("e1", "train"))


@pytest.fixture(autouse=True)
def nobody_logged_in(wandb_env, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def no_key() -> str:
    raise MissingKeyError("there is no key")


@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_a_key_is_not_asked_for_where_no_server_is_to_be_reached(mode):
    with TrackedRun(IDENTITY, api_key=no_key, project="p", mode=mode) as run:
        run.log({"loss": 1.0})


def test_a_key_is_asked_for_before_a_run_is_opened_and_what_that_raises_goes_on(tmp_path):
    with pytest.raises(MissingKeyError, match="there is no key"):
        TrackedRun(IDENTITY, api_key=no_key, project="p", mode="online").open()
    assert find_runs(tmp_path) == []


def test_what_the_users_own_function_for_the_key_raises_goes_on():
    """It is no fault of wandb-track, and no reason to go on untracked."""
    with pytest.raises(KeyError, match="NO_SUCH_VARIABLE"):
        TrackedRun(IDENTITY, api_key=lambda: os.environ["NO_SUCH_VARIABLE"], project="p", mode="online").open()


def test_the_traceback_of_a_key_that_is_malformed_is_not_the_clients():
    """Its message is what counts, and some twenty frames would hide it."""
    with pytest.raises(wandb.Error, match="API key") as raised:
        TrackedRun(IDENTITY, api_key="short", project="p", mode="online").open()
    files = {Path(entry.path) for entry in raised.traceback}
    assert not {file for file in files if file.is_relative_to(Path(wandb.__file__).parent)}


def test_without_a_login_a_run_is_kept_offline_and_says_so_where_a_login_is_optional(tmp_path, capfd):
    arguments = {"project": "p", "mode": "online", "dir": str(tmp_path)}
    with TrackedRun(IDENTITY, api_key=lambda: None, **arguments) as run:
        run.log({"loss": 1.0})
    with TrackedRun(TaskIdentity("test", "again"), **arguments):
        pass  # once is enough
    kept, _ = find_runs(tmp_path)
    assert kept.values("loss") == [1.0]
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("wandb-track:")]
    assert len(said) == 1
    assert "offline" in said[0]
    assert said[0].endswith(f"wandb-track sync {kept.folder.parent}")


def test_without_a_login_a_run_is_the_users_mistake_where_a_login_is_needed():
    with pytest.raises(MissingKeyError, match="secret="):
        TrackedRun(IDENTITY, project="p", mode="online", in_container=True).open()


def test_a_second_run_of_the_same_identity_at_the_same_time_has_an_id_of_its_own():
    outer, inner, later = (TrackedRun(IDENTITY, project="p", mode="offline") for _ in range(3))
    with outer as first, inner as second:
        assert first.id == "e1-train-0"
        assert second.id != first.id
    with later as third:
        assert third.id == "e1-train-0"
