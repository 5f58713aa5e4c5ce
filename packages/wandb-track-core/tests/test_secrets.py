"""The API key is in no file, log, traceback, repr, environment or command line, and is one run's own."""

import os
import threading
import traceback
from pathlib import Path

import pytest
import wandb
from wandb_track_core import MissingKeyError, TaskIdentity, TrackedRun
from wandb_track_testing.standin import StandIn
from wandb_track_testing.standin._faults import refused

IDENTITY = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
KEY, OTHER_KEY = "5ec4e7" * 7, "07he45" * 7


def online(url, key, number=0, **arguments):
    return TrackedRun(
        IDENTITY._replace(key=("e1", f"n{number}")),
        **{"project": "p", "entity": "acme", "mode": "online", "api_key": key, "base_url": url, **arguments},
    )


def files_with(text, folder):
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("ending", ["success", "failure", "refused", "rejected"])
def test_the_key_is_written_nowhere_and_shown_nowhere(wandb_env, standin, capfd, ending):
    if ending == "rejected":
        standin.rejected_keys.add(KEY)
    url = refused() if ending == "refused" else standin.url
    shown = []
    try:
        with online(url, KEY, init_timeout=1, finish_timeout=3) as run:
            run.log({"loss": 1.0})
            shown.append(repr(run))
            # Those of the client's service, too.
            shown += [path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            if ending == "failure":
                raise ValueError("broken")
    except Exception as error:
        shown.append("".join(traceback.format_exception(error)))
    wandb.teardown()
    captured = capfd.readouterr()
    shown += [captured.out, captured.err, repr(os.environ)]
    assert not any(KEY in text for text in shown)
    assert files_with(KEY, wandb_env) == []


def test_two_runs_with_two_keys_at_once_each_use_their_own(wandb_env):
    with StandIn(keys=[KEY]) as one, StandIn(keys=[OTHER_KEY]) as other:
        ready = threading.Barrier(2)

        def task(server, key, number):
            ready.wait()
            with online(server.url, key, number) as run:
                run.log({"number": number})

        threads = [
            threading.Thread(target=task, args=arguments) for arguments in [(one, KEY, 0), (other, OTHER_KEY, 1)]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for server, key, number in [(one, KEY, 0), (other, OTHER_KEY, 1)]:
            held = server.runs["acme", "p", f"e1-n{number}-0"]
            assert [row["number"] for row in held.history] == [number]
            assert {request.key for request in server.requests} <= {key, ""}


def test_a_later_run_without_a_key_does_not_inherit_one(wandb_env, standin):
    with online(standin.url, KEY):
        pass
    with pytest.raises(MissingKeyError, match="secret="):
        online(standin.url, None, 1, in_container=True).open()
    with online(standin.url, None, 2) as run:
        assert run.offline


def test_the_users_own_login_is_untouched_by_a_run_with_another_key(wandb_env, standin, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", OTHER_KEY)
    with online(standin.url, KEY), online(standin.url, None, 1) as run:
        run.log({"loss": 1.0})
    with online(standin.url, None, 2):
        pass
    keys = {
        request.variables.get("name"): request.key
        for request in standin.requests
        if request.operation == "UpsertBucket" and request.variables.get("name")
    }
    assert keys == {"e1-n0-0": KEY, "e1-n1-0": OTHER_KEY, "e1-n2-0": OTHER_KEY}
