"""The user's result never depends on the tracker: the server fails at opening, in mid-run, at upload, at finish."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
import wandb
from wandb.errors import CommError
from wandb_track_core import TaskIdentity, TrackedRun, TrackerFaultError
from wandb_track_testing import offline
from wandb_track_testing.plugin import valid_key
from wandb_track_testing.standin._faults import NO_SUCH_HOST, black_hole, refused, tls_garbage

IDENTITY = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
SHORT = {"init_timeout": 2, "finish_timeout": 3}


def find_runs(folder):
    """The runs below a folder, once the service has written all that it holds."""
    wandb.teardown()
    return offline.find_runs(folder)


def online(url, **arguments):
    given = {"project": "p", "entity": "acme", "mode": "online", "api_key": valid_key, "base_url": url}
    return TrackedRun(IDENTITY, **{**given, **SHORT, **arguments})


def said(capfd):
    return [line for line in capfd.readouterr().err.splitlines() if line.startswith("wandb-track:")]


UNREACHABLE = {
    "refused": contextlib.nullcontext(refused()),
    "black hole": black_hole(),
    "garbage instead of TLS": tls_garbage(),
    "no such host": contextlib.nullcontext(NO_SUCH_HOST),
}


@pytest.mark.parametrize("place", UNREACHABLE)
def test_where_no_server_answers_the_run_goes_on_offline_and_one_line_says_how_to_sync_it(wandb_env, capfd, place):
    with UNREACHABLE[place] as url:
        url = url.replace("http:", "https:") if "TLS" in place else url
        with online(url) as run:
            assert run.offline
            run.log({"loss": 1.0})
    kept = [each for each in find_runs(wandb_env) if each.values("loss")]
    assert [each.exit_code for each in kept] == [0]
    (line,) = said(capfd)
    assert f"wandb sync {kept[0].path.parent}" in line


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_keeps_failing_at_opening_is_the_trackers_fault(wandb_env, standin, capfd, status):
    standin.fault("opening", status)
    with online(standin.url) as run:
        run.log({"loss": 1.0})
        assert run.offline
    assert len(said(capfd)) == 1


@pytest.mark.parametrize("kind", ["garbage", "hang"])
def test_a_server_that_answers_nonsense_or_nothing_at_opening_is_the_trackers_fault(wandb_env, standin, capfd, kind):
    standin.fault("opening", kind)
    with online(standin.url) as run:
        run.log({"loss": 1.0})
        assert run.offline
    assert len(said(capfd)) == 1
    # What the client began online would be taken for another run by its own sync.
    assert [folder.name[:12] for folder in wandb_env.glob("wandb/*run-*")] == ["offline-run-"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_key_or_project_is_the_users_mistake_and_raises_in_seconds(wandb_env, standin, status):
    standin.fault("opening", status)
    with pytest.raises(CommError, match=r"project 'p' of entity 'acme'.*WANDB_API_KEY"):
        online(standin.url).open()


def test_a_malformed_key_raises_and_is_not_shown(wandb_env, standin):
    with pytest.raises(Exception, match="API key") as raised:
        online(standin.url, api_key="secret-but-short").open()
    assert "secret-but-short" not in str(raised.value)


def test_warn_goes_on_untracked(wandb_env, capfd):
    with online(refused(), on_error="warn") as run:
        run.log({"loss": 1.0})
        assert run.disabled
    (line,) = said(capfd)
    assert "not tracked" in line


def test_raise_raises_the_trackers_fault_with_its_cause(wandb_env):
    with pytest.raises(TrackerFaultError, match="could not be opened") as raised:
        online(refused(), on_error="raise").open()
    assert raised.value.__cause__ is not None


def test_an_id_that_was_deleted_on_the_server_gets_a_suffix_and_a_warning(wandb_env, standin, capfd):
    with online(standin.url):
        pass
    api = wandb.Api(api_key=valid_key, overrides={"base_url": standin.url})
    api.run("acme/p/e1-n0-0").delete()
    with online(standin.url) as run:
        assert run.id != "e1-n0-0"
        run.log({"loss": 1.0})
    assert standin.runs["acme", "p", run.id].history[0]["loss"] == 1.0
    assert any(run.id in line for line in said(capfd))


def test_a_server_that_goes_away_in_mid_run_costs_the_task_nothing_but_bounded_seconds(wandb_env, standin, capfd):
    with online(standin.url) as run:
        run.log({"loss": 1.0})
        standin.stop()
        run.log({"loss": 0.5})
    (line,) = said(capfd)
    assert "wandb sync" in line
    (kept,) = find_runs(wandb_env)
    assert kept.values("loss") == [1.0, 0.5]


def test_a_server_that_comes_back_in_mid_run_gets_everything(wandb_env, standin, capfd):
    with online(standin.url, finish_timeout=20) as run:
        run.log({"loss": 1.0})
        standin.stop()
        run.log({"loss": 0.5})
        time.sleep(1)
        standin.restart()
        run.log({"loss": 0.2})
    assert said(capfd) == []
    held = standin.runs["acme", "p", "e1-n0-0"]
    assert [row["loss"] for row in held.history] == [1.0, 0.5, 0.2]
    assert held.exit_code == 0


@pytest.mark.parametrize("kind", [401, 404, 409, "garbage", 500])
def test_a_server_that_refuses_the_end_of_a_run_is_seen_and_said(wandb_env, standin, capfd, kind):
    with online(standin.url) as run:
        run.log({"loss": 1.0})
        standin.fault("finish", kind)
    (line,) = said(capfd)
    assert "wandb sync" in line


@pytest.mark.parametrize("status", [403, 500])
def test_a_failed_upload_is_seen_and_said(wandb_env, standin, capfd, tmp_path, status):
    data = tmp_path / "data.txt"
    data.write_text("important")
    standin.fault("CreateArtifact", status)
    with online(standin.url) as run:
        artifact = wandb.Artifact("data", type="dataset")
        artifact.add_file(str(data))
        run.log_artifact(artifact)
    (line,) = said(capfd)
    assert "data" in line


def test_an_upload_that_still_moves_is_waited_for(wandb_env, standin, capfd, tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 100_000)
    standin.fault(lambda request: request.method == "PUT" and request.path.startswith("/storage"), None, delay=1.0)
    with online(standin.url, finish_timeout=3) as run:
        artifact = wandb.Artifact("data", type="dataset")
        for number in range(8):
            artifact.add_file(str(tmp_path / f"{number}.bin"))
        run.log_artifact(artifact)
    assert said(capfd) == []
    (version,) = [held for collection in standin.collections.values() for held in collection.versions]
    assert version.state == "COMMITTED"


def test_the_command_that_the_line_gives_brings_the_whole_run_to_the_server(wandb_env, standin, capfd):
    with online(standin.url) as run:
        run.log({"loss": 1.0})
        standin.stop()
        run.log({"loss": 0.5})
    (line,) = said(capfd)
    command = line.partition("Sync it with: ")[2].split()
    assert command[:2] == ["wandb", "sync"]
    wandb.teardown()
    standin.restart()
    env = {**os.environ, "WANDB_BASE_URL": standin.url, "WANDB_API_KEY": valid_key, "WANDB_MODE": "online"}
    subprocess.run([sys.executable, "-m", *command], env=env, check=True, timeout=120)
    held = standin.runs["acme", "p", "e1-n0-0"]
    assert [row["loss"] for row in held.history] == [1.0, 0.5]
    assert held.exit_code == 0
