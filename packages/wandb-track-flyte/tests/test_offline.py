"""An offline run of a container outlives it: it lies under the task's raw-output prefix."""

import shutil

import pytest
from wandb_track_flyte import load as load_value
from wandb_track_serializers import LoadError, load_artifact
from wandb_track_testing.plugin import command_line, isolated_env, run_python

pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")


@pytest.fixture
def raw(bench):
    """The raw-output prefix of a task that ran offline in a container; nothing else of the container is left."""
    container = bench.container("stored", "produce", {"text": "hello"}, execution="f0stored")
    outcome = bench.execute_in_process_of_its_own(container)
    assert outcome.outputs == {"o0": 5}
    for run in bench.runs(1, "offline-run-*"):
        shutil.rmtree(run.folder)
    (stored,) = container.raw_prefix.rglob("*.tar")
    assert f"Sync it with: wandb-track sync {stored}" in outcome.said
    return container.raw_prefix


def test_a_containers_offline_run_is_stored_synced_and_its_value_loaded(raw, standin, tmp_path, monkeypatch):
    """By reference, by execution and task, from the folder and from the server."""
    for place in (raw.parent, raw):
        found = load_value("f0stored", "produce", "notes", project="stored", offline=place)
        assert found.read_text() == "hello"
    assert load_value("latest", "stored.produce", "notes", offline=raw).read_text() == "hello"
    assert load_artifact("stored/notes:mine", offline=raw, directory=tmp_path / "a").read_text() == "hello"
    assert load_artifact("notes:v0", run="f0stored-n0-0", offline=raw).read_text() == "hello"
    for reference, run in (("notes:v1", None), ("others", None), ("notes", "another"), ("elsewhere/notes", None)):
        with pytest.raises(LoadError, match="there is no artifact"):
            load_artifact(reference, run=run, offline=raw)

    env = isolated_env(tmp_path, **{**standin.env(), "WANDB_MODE": None})
    run_python(command_line, env, "sync", str(raw))
    run = standin.runs["acme", "stored", "f0stored-n0-0"]
    assert (run.state, run.values("length")) == ("finished", [5])
    assert [artifact.name for artifact in run.logged] == ["notes:v0"]

    for name, value in standin.env().items():
        monkeypatch.setenv(name, value)
    place = {"project": "stored", "entity": "acme"}
    assert load_value("f0stored", "produce", "notes", **place).read_text() == "hello"
    assert load_value("latest", "produce", "notes:mine", **place).read_text() == "hello"
    assert load_artifact("acme/stored/notes").read_text() == "hello"
    assert load_artifact("acme/stored/notes:v0", run="f0stored-n0-0").read_text() == "hello"
    with pytest.raises(LoadError, match="there is no artifact"):
        load_value("f0other", "produce", "notes", **place)


def test_what_is_no_reference_is_refused():
    """The message names what was given and what is possible."""
    for reference in ("", "a/b/c/d", "a//b", "a:b/c", 3):
        with pytest.raises(ValueError, match=r"reference is .*'entity/project/name:alias'"):
            load_artifact(reference, offline=".")
