"""Artifacts that refer to Metaflow's own datastore: no bytes are written again, and Metaflow alone reads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_core.offline import pack
from wandb_track_testing.plugin import command_line, isolated_env, run_python

pytestmark = pytest.mark.slow

NAMES = {"frame", "days", "model", "thing", "large"}
LOAD = """
import json, sys
from wandb_track_metaflow import load
from wandb_track_serializers import IntegrityError, UntrustedError
pathspec, offline = sys.argv[1], sys.argv[2] or None
options = {} if offline else {"project": "p", "entity": "acme"}
try:
    load(pathspec, offline=offline, **options)
except UntrustedError as error:
    print("UNTRUSTED", error)
try:
    print("VALUE", load(pathspec, offline=offline, trusted=True, **options))
except IntegrityError as error:
    print("INTEGRITY", error)
"""


def edges(run, kind):
    return [edge for edge in read_lineage(run.folder) if edge["edge"] == kind]


def objects(execution):
    return {
        edge["name"]: edge["references"]
        for run in execution.runs
        for edge in edges(run, "output")
        if edge.get("references")
    }


@pytest.fixture(scope="module")
def workplaces(workplace_of):
    return {storage: workplace_of(storage, STORAGE=storage) for storage in ("copy", "reference")}


@pytest.fixture(scope="module")
def executions(workplaces):
    return {storage: workplace.run("references.py") for storage, workplace in workplaces.items()}


def test_lineage_is_that_of_copies(executions):
    """The aliases are content keys either way; that of a frame with dates is new with each pickling."""
    copied, referred = executions["copy"], executions["reference"]
    for step in ("start", "change", "end"):
        assert set(copied.made(step)) == set(referred.made(step))
        assert {name for name, _ in copied.used(step)} == {name for name, _ in referred.used(step)}
    assert copied.made("start")["frame"] == referred.made("start")["frame"]
    assert referred.used("change") >= {(name, referred.made("start")[name]) for name in ("frame", "days")}
    assert referred.used("end") >= {
        ("frame", referred.made("change")["frame"]),
        ("days", referred.made("start")["days"]),
    }
    types = [{(made.name, made.type) for run in each.runs for made in run.artifacts} for each in executions.values()]
    assert types[0] == types[1]


def test_no_file_is_written_and_each_names_its_object(executions, workplaces):
    referred = executions["reference"]
    assert not [path for run in referred.runs for path in run.folder.glob("wandb-track/artifacts/*")]
    found = objects(referred)
    assert NAMES | {"own"} == set(found)
    for (one,) in found.values():
        stored = Path(one["uri"].removeprefix("file://"))
        assert stored.stat().st_size == one["size"]
    for name in NAMES:
        key = found[name][0]["digest"]
        assert found[name][0]["uri"].endswith(f"/References/data/{key[:2]}/{key}")


def loaded(workplace, pathspec, offline=".", **env):
    """What `load` gives, untrusted and trusted."""
    done = run_python(LOAD, {**workplace.env, **env}, pathspec, offline and str(workplace.folder / offline))
    return done.stdout


def test_it_comes_back_through_metaflow_trusted_alone(executions, workplaces):
    run_id = executions["reference"].run_id
    said = loaded(workplaces["reference"], f"References/{run_id}/start/model")
    assert "is a pickle in Metaflow's datastore of sklearn.linear_model._logistic.LogisticRegression" in said
    assert "VALUE LogisticRegression()" in said
    assert "VALUE <class 'memoryview'>" in loaded(workplaces["reference"], f"References/{run_id}/start/thing")
    assert "0  1\n1  2" in loaded(workplaces["reference"], f"References/{run_id}/start/frame")
    assert "0  2\n1  3" in loaded(workplaces["reference"], f"References/{run_id}/change/frame")


@pytest.mark.parametrize("change", ["changed", "damaged", "deleted"])
def test_an_object_that_was_changed_or_deleted_is_named(workplaces, workplace_of, change):
    import gzip
    import pickle

    workplace = workplace_of(change, STORAGE="reference")
    execution = workplace.run("references.py")
    uri = objects(execution)["model"][0]["uri"]
    stored = Path(uri.removeprefix("file://"))
    contents = gzip.compress(pickle.dumps("another")) if change == "changed" else stored.read_bytes()[:-20]
    stored.unlink()
    if change != "deleted":
        stored.write_bytes(contents)
    said = loaded(workplace, f"References/{execution.run_id}/start/model")
    assert f"INTEGRITY {uri}" in said


@pytest.mark.parametrize("how", ["in place", "moved", "packed", "by the client"])
def test_references_survive_a_sync(executions, workplaces, standin, tmp_path, how):
    """Synced where they are, from a folder that was moved, and packed: the server has manifests, no files."""
    if how != "by the client":
        pytest.importorskip("wandb", minversion="0.31", reason="wandb-track sync needs this client")
    execution, workplace = executions["reference"], workplaces["reference"]
    target = tmp_path / "runs"
    target.mkdir()
    for mark in workplace.folder.rglob("*.wandb.synced"):
        mark.unlink()  # by which the client passes over what an earlier test has synced
    if how == "packed":
        for run in execution.runs:
            pack(run.folder, target / f"{run.folder.name}.tar")
    elif how == "moved":
        for run in execution.runs:
            shutil.copytree(run.folder, target / run.folder.name)
    else:
        target = workplace.folder
    env = isolated_env(tmp_path, **{**standin.env(), "WANDB_MODE": None})
    if how == "by the client":
        code = "import sys; from wandb.cli.cli import cli; cli(['sync', *sys.argv[1:]])"
        run_python(code, env, *(str(run.folder) for run in execution.runs))
    else:
        done = run_python(command_line, env, "sync", str(target))
        assert "3 synced, 0 there already, 0 not synced" in done.stderr
    outputs = [edge for run in execution.runs for edge in edges(run, "output")]
    assert len(outputs) == 7
    for edge in outputs:
        (one,) = edge["references"]
        version = standin.artifact(f"{edge['name']}:{edge['aliases'][-1]}", entity="acme", project="p")
        assert not version.files
        assert not version.missing
        (entry,) = version.entries.values()
        assert (entry["ref"], entry["size"], entry["digest"]) == (one["uri"], one["size"], one["digest"])
        assert entry["extra"] == {"etag": one["digest"]}
    change = next(run for run in standin.runs.values() if run.config["metaflow"]["task"] == "change")
    # The edges to what a run used are wandb-track's to tell.
    assert how == "by the client" or {use.artifact.name.partition(":")[0] for use in change.used} >= {"frame", "days"}
    online = {**standin.env(), "WANDB_MODE": "online"}
    said = loaded(workplace, f"References/{execution.run_id}/start/model", "", **online)
    assert "UNTRUSTED" in said
    assert "VALUE LogisticRegression()" in said


def test_in_s3_only_manifests_go_to_wandb(workplace_of, bucket, standin):
    env = {
        **{name: value for name, value in bucket.env.items() if name.startswith("AWS_")},
        "METAFLOW_S3_ENDPOINT_URL": bucket.env["AWS_ENDPOINT_URL"],
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"{bucket.uri}/metaflow",
    }
    workplace = workplace_of("s3", STORAGE="reference", **env, **standin.env())
    workplace.run("references.py")
    assert not [each for each in standin.requests if each.path.startswith("/storage/artifact") and each.size > 1000]
    manifests = [each for each in standin.requests if each.path.startswith("/storage/manifest") and each.size]
    assert 5 <= len(manifests) <= 7
    assert sum(each.size for each in manifests) < 4000
    version = standin.artifact("model:v0", entity="acme", project="p")
    (entry,) = version.entries.values()
    assert entry["ref"].startswith(f"{bucket.uri}/metaflow/References/data/")
    said = loaded(workplace, "References/latest/start/model", "")
    assert "VALUE LogisticRegression()" in said


def test_a_remote_task_with_a_store_of_its_own_copies(workplace_of):
    """Never a reference to the disk of a machine that is temporary."""
    workplace = workplace_of("remote", STORAGE="reference", METAFLOW_RUNTIME_ENVIRONMENT="kubernetes")
    execution = workplace.run("references.py")
    assert not objects(execution)
    assert set(execution.made("start")) == NAMES
    assert execution.output.count("copied, not referred to: Metaflow's datastore") == 3
    assert execution.output.count("own is copied, not referred to: file://") == 1


def test_a_step_that_fails_refers_to_what_metaflow_has_stored(workplace_of):
    workplace = workplace_of("failing", STORAGE="reference", FAIL="1")
    execution = workplace.run("references.py", check=False)
    assert execution.only("end").exit_code == 1
    assert set(execution.made("start")) == NAMES


def test_on_the_command_line_and_what_cannot_be_meant(workplace_of):
    from wandb_track_core import ArgumentError
    from wandb_track_metaflow import wandb_log

    with pytest.raises(ArgumentError, match="storage must be 'copy' or 'reference', not 'link'"):
        wandb_log(storage="link")
    workplace = workplace_of("with")
    execution = workplace.run("plain.py", "--with", "wandb_log:datasets=true,others=true,storage=reference")
    assert not [path for run in execution.runs for path in run.folder.glob("wandb-track/artifacts/*")]
