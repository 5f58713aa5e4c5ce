"""A Metaflow flow offline: stored in the datastore, synced from there, its values loaded back."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from wandb_track_testing.plugin import command_line, isolated_env, run_python
from wandb_track_testing.standin import StandIn

pytest.importorskip("metaflow")
pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

pytestmark = pytest.mark.slow

LOAD = """
import json, sys
from pathlib import Path
from wandb_track_metaflow import load
from wandb_track_serializers import UntrustedError

run, where = sys.argv[1], json.loads(sys.argv[2])
place = dict(project="offline", **where)
table = load(f"OfflineFlow/{run}/start/table", **place)
assert table["x"].tolist() == [1.0, 2.0, 3.0, 4.0]
assert load("OfflineFlow/latest/start/array", **place).tolist() == [0, 1, 2, 3]
assert (load(f"OfflineFlow/{run}/start/raw", **place) / "notes.txt").read_text() == "notes"
try:
    load(f"OfflineFlow/{run}/join/best", **place)
except UntrustedError:
    pass
else:
    raise AssertionError("a pickle was read without trust")
best = load(f"OfflineFlow/{run}/join/best", trusted=True, **place)
assert best.predict(table[["x"]]).tolist() == [0, 0, 1, 1]
assert load(f"OfflineFlow/{run}/flaky/pair", trusted=True, **place) == slice(1, 4)
try:
    load(f"OfflineFlow/{run}/train/tree", trusted=True, **place)
except Exception as error:
    assert "2 tasks" in str(error), error
else:
    raise AssertionError("one of two branches was taken")
if sys.argv[3] == "torch":
    assert load(f"OfflineFlow/{run}/flaky/net", trusted=True, **place).weight.tolist() == [[0.5, 0.5]]
"""


def state_of(server, run, folder):
    """What the server holds; aside from Metaflow's ids, that of the run and those of contents that it pickled."""
    names = {run: "RUN", str(folder): "FOLDER"}
    pattern = re.compile("|".join(map(re.escape, names)) + "|sha-[0-9a-f]{40}")
    return server.snapshot(
        ordered=False, rename=lambda text: pattern.sub(lambda found: names.get(found[0], "sha"), text)
    )


@pytest.fixture(scope="module")
def online(offline_flow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("online")
    with StandIn() as server:
        run, _ = offline_flow(folder, isolated_env(folder, **server.env()))
        yield server, run, folder


@pytest.fixture(scope="module")
def offline(offline_flow, tmp_path_factory):
    """The flow's run id, and its datastore: nothing else is left of the machine on which it ran."""
    folder = tmp_path_factory.mktemp("offline")
    run, said = offline_flow(folder, isolated_env(folder, WANDB_TRACK_STORE="always"))
    kept = {path.name for path in (folder / "wandb").glob("offline-run-*")}
    assert {path.stem.partition(".")[2] for path in (folder / ".metaflow").rglob("*.tar")} == kept, said
    shutil.rmtree(folder / "wandb")
    shutil.rmtree(folder / "home" / "data")
    return folder, run


@pytest.fixture(scope="module")
def synced(offline):
    folder, _ = offline
    with StandIn() as server:
        env = isolated_env(folder, **{**server.env(), "WANDB_MODE": None})
        done = run_python(command_line, env, "sync", str(folder / ".metaflow"))
        assert "7 synced, 0 there already, 0 not synced" in done.stderr
        yield server


def test_a_flow_offline_and_synced_leaves_what_it_leaves_online(online, offline, synced):
    """Runs, artifacts and edges; the ids of Metaflow's run and the folders' names aside."""
    expected, run, folder = online
    assert state_of(synced, offline[1], offline[0]) == state_of(expected, run, folder)


def test_metaflow_knows_where_each_run_was_stored(offline):
    """A task's metadata names the tar in the datastore."""
    folder, run = offline
    code = (
        "import json, sys; from metaflow import Step, namespace; namespace(None); "
        "print(json.dumps([task.metadata_dict['wandb-run-stored'] for task in Step(sys.argv[1])]))"
    )
    stored = json.loads(run_python(code, isolated_env(folder), f"OfflineFlow/{run}/train").stdout)
    assert len(stored) == 2
    assert all(Path(path).is_file() and path.endswith(".tar") for path in stored)


@pytest.mark.parametrize("place", ["offline", "server"])
def test_each_kind_is_loaded_by_flow_run_step_and_name(offline, synced, place):
    """In a process that never saw the flow; a pickle only where it is trusted, and no branch by chance."""
    folder, run = offline
    env = isolated_env(folder, **({} if place == "offline" else synced.env()))
    where = {"offline": str(folder)} if place == "offline" else {"entity": "acme"}
    run_python(LOAD, env, run, json.dumps(where), "torch" if find_spec("torch") else "")
