"""The API key: when it is asked for, where it comes from, and what is said where it is missing."""

import os
import traceback

import cloudpickle
import pytest
from flytekit import Secret, task
from flytekit.core.context_manager import FlyteContextManager
from wandb_track_flyte import ArgumentError, MissingKeyError, current_run, wandb_init
from wandb_track_flyte._secret import key_of

KEY = "0123456789abcdef0123456789abcdef01234567"
ONLINE = {"WANDB_MODE": "online", "_FSEC_WANDB_WANDB_API_KEY": None}


def test_a_secret_that_is_missing_in_a_container_is_named_before_user_code_runs(bench):
    outcome = bench.execute("above", {"x": 4}, ONLINE)
    assert "MissingKeyError: secret: this task has no secret with group='wandb', key='WANDB_API_KEY'" in outcome.error
    assert "@task(secret_requests=[Secret(group='wandb', key='WANDB_API_KEY')])" in outcome.error
    assert outcome.outputs == {}
    assert bench.runs(0) == []


def test_a_function_that_finds_no_key_in_a_container_is_an_error_before_user_code_runs(bench):
    outcome = bench.execute("key_from_function", {"x": 4}, ONLINE)
    assert "MissingKeyError: secret: the function returned no API key" in outcome.error
    assert outcome.outputs == {}


def test_offline_no_key_is_needed_in_a_container(bench):
    assert bench.execute("above", {"x": 4}, {"_FSEC_WANDB_WANDB_API_KEY": None}).outputs == {"o0": 5}
    assert bench.run().exit_code == 0


@pytest.fixture
def fresh_context():
    """Flytekit reads where secrets lie when its context is made."""
    yield
    FlyteContextManager.initialize()


@pytest.mark.parametrize("kept", ["variable", "file", "own variable", "own file"])
def test_a_secret_is_found_wherever_flyte_puts_it(fresh_context, monkeypatch, tmp_path, kept):
    monkeypatch.delenv("_FSEC_WANDB_WANDB_API_KEY", raising=False)
    secret = Secret(group="wandb", key="WANDB_API_KEY")
    if kept == "variable":
        monkeypatch.setenv("_FSEC_WANDB_WANDB_API_KEY", f"{KEY}\n")
    elif kept == "file":
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "wandb_api_key").write_text(f"{KEY}\n")
        monkeypatch.setenv("FLYTE_SECRETS_DEFAULT_DIR", str(tmp_path))
        FlyteContextManager.initialize()
    elif kept == "own variable":
        secret = Secret(group="wandb", key="WANDB_API_KEY", env_var="TEAM_KEY")
        monkeypatch.setenv("TEAM_KEY", f"{KEY}\n")
    else:
        secret = Secret(group="wandb", key="WANDB_API_KEY", env_var="TEAM_KEY", mount_requirement=Secret.MountType.FILE)
        (tmp_path / "key").write_text(f"{KEY}\n")
        monkeypatch.setenv("TEAM_KEY", str(tmp_path / "key"))
    assert key_of(secret, in_container=True) == KEY


ANY, FILE = Secret.MountType.ANY, Secret.MountType.FILE


def own(mount, key="WANDB_API_KEY"):
    return Secret(group="wandb", key=key, env_var="TEAM_KEY", mount_requirement=mount)


def test_a_variable_of_ones_own_may_hold_the_path_of_the_key_where_any_mount_will_do(monkeypatch, tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("TEAM_KEY", str(tmp_path / "key"))
    assert key_of(own(ANY), in_container=True) == KEY


@pytest.mark.parametrize("value", ["", "  ", "/nowhere/key"])
def test_a_variable_of_ones_own_that_leads_nowhere_hides_no_key_that_flyte_has_put_elsewhere(monkeypatch, value):
    monkeypatch.setenv("TEAM_KEY", value)
    monkeypatch.setenv("_FSEC_WANDB_WANDB_API_KEY", KEY)
    assert key_of(own(FILE), in_container=True) == KEY


@pytest.mark.parametrize("held", ["the key", "a path that leads nowhere", "a folder"])
def test_a_key_that_is_not_in_the_file_that_was_asked_for_is_missing_and_is_not_repeated(monkeypatch, tmp_path, held):
    monkeypatch.delenv("_FSEC_WANDB_WANDB_API_KEY", raising=False)
    monkeypatch.setenv("TEAM_KEY", {"the key": KEY, "a folder": str(tmp_path)}.get(held, "/nowhere/key"))
    with pytest.raises(MissingKeyError, match="group='wandb', key='WANDB_API_KEY'") as raised:
        key_of(own(FILE), in_container=True)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert key_of(own(FILE), in_container=False) is None


def test_a_secret_of_a_whole_group_that_is_mounted_as_a_folder_is_no_key(fresh_context, monkeypatch, tmp_path):
    (tmp_path / "wandb").mkdir()
    monkeypatch.setenv("FLYTE_SECRETS_DEFAULT_DIR", str(tmp_path))
    FlyteContextManager.initialize()
    with pytest.raises(MissingKeyError, match="group='wandb'"):
        key_of(Secret(group="wandb"), in_container=True)


@pytest.mark.parametrize("secret", [Secret(group="wandb", key="nowhere"), lambda: None, lambda: ""])
def test_locally_a_missing_key_leaves_it_to_the_users_own_login(secret):
    assert key_of(secret, in_container=False) is None


@pytest.mark.parametrize("in_container", [False, True])
def test_a_function_that_fails_or_returns_no_text_is_the_users_to_mend(in_container):
    with pytest.raises(MissingKeyError, match=r"KeyError\('NOWHERE'\)") as raised:
        key_of(lambda: {}["NOWHERE"], in_container)
    assert isinstance(raised.value.__cause__, KeyError)
    with pytest.raises(ArgumentError, match="secret") as raised:
        key_of(lambda: KEY.encode(), in_container)
    assert KEY not in str(raised.value)


def test_a_key_in_place_of_a_secret_is_refused_without_repeating_it():
    with pytest.raises(ArgumentError, match=r"secret must be a flytekit\.Secret") as raised:
        wandb_init(project="p", entity="e", secret=KEY)
    assert KEY not in str(raised.value)


def test_a_key_reaches_the_server_and_nothing_else(bench, place, monkeypatch, standin_session, capfd):
    """Not the decorator, its pickle or repr, no file, no variable beside the user's own, no line that is printed."""
    monkeypatch.setenv("TEAM_KEY", KEY)

    @wandb_init(
        project="p",
        entity="e",
        secret=lambda: os.environ["TEAM_KEY"],
        api_host=standin_session.url,
        mode="online",
        id="keyed",
    )
    @task
    def train(x: int) -> int:
        current_run().log({"x": x})
        return x

    assert train(x=4) == 4
    received = standin_session.runs["e", "p", "keyed"]
    assert received.keys == {KEY}
    assert received.values("x") == [4]
    assert (received.exit_code, received.state) == (0, "finished")

    monkeypatch.delenv("TEAM_KEY")
    assert KEY not in repr(train.task_function) + repr(vars(train)) + repr(os.environ)
    assert KEY.encode() not in cloudpickle.dumps(train.task_function)
    assert "".join(capfd.readouterr()).count(KEY) == 0
    written = [path for path in place.rglob("*") if path.is_file()]
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
