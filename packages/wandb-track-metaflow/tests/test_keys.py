"""The key comes from where the task runs, is used by that run alone, and is kept nowhere."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

FILE_KEY, SETTINGS_KEY = "f" * 40, "t" * 40


@pytest.fixture(scope="module")
def place(workplace_of, standin_session, tmp_path_factory):
    key_file = tmp_path_factory.mktemp("key") / "key"
    key_file.write_text(FILE_KEY)
    env = {**standin_session.env(), "WANDB_API_KEY": None}
    return workplace_of("keys", **env, KEY_FILE=str(key_file), SETTINGS_KEY=SETTINGS_KEY)


@pytest.fixture(scope="module")
def execution(place):
    return place.run("keys.py", check=False)


def keys_of(standin, step):
    (run,) = [run for run in standin.runs.values() if (run.project, run.job_type) == ("keys", step)]
    return run.keys


@pytest.mark.parametrize(
    ("step", "key"),
    [("start", FILE_KEY), ("by_settings", SETTINGS_KEY), ("by_secret", "s" * 40), ("by_environment", "e" * 40)],
)
def test_each_run_is_written_with_the_key_that_its_step_was_given(execution, standin_session, step, key):
    """By a function, by settings, by `@secrets` above and `@environment` below."""
    assert keys_of(standin_session, step) == {key}


def test_a_key_that_is_missing_fails_before_user_code_and_says_what_to_do(execution):
    """The variable is named, and the decorators that set it."""
    assert execution.returncode == 1
    assert "MissingKeyError: secret='NO_SUCH_KEY'" in execution.output
    assert "@secrets" in execution.output
    assert "user code has run" not in execution.output
    step = [line for line in execution.output.splitlines() if "/without/" in line]  # not of Metaflow's own process
    assert not any("Traceback" in line for line in step)
    assert "Internal error" not in execution.output


def test_nobody_is_asked_for_a_key_where_no_server_is_to_be_reached(execution, place):
    """An offline run needs none."""
    place.env["LAST_MODE"] = "offline"
    resumed = place.call("keys.py", "--no-pylint", "resume", "without")
    assert "user code has run True" in resumed.output


def test_a_key_is_found_in_no_file_and_no_output(execution, place):
    """Neither in Metaflow's datastore, which keeps the decorators' arguments, nor beside the runs."""
    for path in filter(Path.is_file, place.folder.rglob("*")):
        contents = path.read_bytes()
        if contents.startswith(b"\x1f\x8b"):
            contents = gzip.decompress(contents)
        for key in (FILE_KEY, SETTINGS_KEY):
            assert key.encode() not in contents, path
    assert FILE_KEY not in execution.output
    assert SETTINGS_KEY not in execution.output
