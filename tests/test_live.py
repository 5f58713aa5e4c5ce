"""Both orchestrators end to end, read back by the client's public API alone.

Usually they run against the stand-in server. With WANDB_TRACK_LIVE=1 they run against a real one, which keeps the
stand-in honest: WANDB_API_KEY, WANDB_ENTITY and WANDB_PROJECT name it, and WANDB_BASE_URL a server of one's own.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest
from wandb_track_testing.plugin import command_line, isolated_env, run_python

pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

FLOWS = Path(__file__).parent / "flows"
LIVE = ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT")

READ = """
import json, sys
import wandb

place, filters, keys = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3].split(",")
found = []
for run in wandb.Api().runs(place, filters=filters):
    flow = run.config.get("metaflow", {})
    found.append({
        "task": [flow.get("task"), flow.get("index", flow.get("indices")), flow.get("attempt")],
        "state": run.state,
        "job type": run.job_type,
        "tags": run.tags,
        "config": {name: value for name, value in run.config.items() if name in keys},
        "summary": {name: value for name, value in run.summary._json_dict.items() if name in keys},
        "history": [{name: row[name] for name in keys if name in row} for row in run.scan_history()],
        "made": sorted([each.name.partition(":")[0], each.type, each.digest] for each in run.logged_artifacts()),
        "used": sorted([each.name.partition(":")[0], each.type, each.digest] for each in run.used_artifacts()),
    })
print(json.dumps(sorted(found, key=lambda run: json.dumps(run["task"]))))
"""

LOAD = """
import sys
from wandb_track_metaflow import load

entity, project, run = sys.argv[1:]
table = load(f"OfflineFlow/{run}/start/table", entity=entity, project=project)
best = load(f"OfflineFlow/{run}/join/best", entity=entity, project=project, trusted=True)
assert best.predict(table[["x"]]).tolist() == [0, 0, 1, 1]
"""


@pytest.fixture(scope="module")
def server(request):
    """The variables that lead the client to a server and a project to write to."""
    if os.environ.get("WANDB_TRACK_LIVE"):
        assert all(map(os.environ.get, LIVE)), f"set {', '.join(LIVE)}"
        given = {name: os.environ[name] for name in LIVE}
        return {**given, "WANDB_BASE_URL": os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"), "WANDB_MODE": None}
    env = request.getfixturevalue("standin_session").env()
    return {**env, "WANDB_ENTITY": "acme", "WANDB_PROJECT": "live", "WANDB_MODE": None}


def environment(folder, server, **more):
    folder.mkdir(exist_ok=True)
    place = {"LIVE_PROJECT": server["WANDB_PROJECT"], "LIVE_ENTITY": server["WANDB_ENTITY"]}
    return isolated_env(folder, **{**server, **place, **more})


def read(folder, server, filters, keys):
    """What the server says of some runs."""
    place = f"{server['WANDB_ENTITY']}/{server['WANDB_PROJECT']}"
    done = run_python(READ, environment(folder, server), place, json.dumps(filters), ",".join(keys))
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def online(offline_flow, server, tmp_path_factory):
    pytest.importorskip("metaflow")
    folder = tmp_path_factory.mktemp("online")
    return offline_flow(folder, environment(folder, server))[0], folder


@pytest.fixture(scope="module")
def elsewhere(server):
    """A second project: in one, the server would give equal contents to whoever logged them first."""
    return {**server, "WANDB_PROJECT": f"{server['WANDB_PROJECT']}-synced"}


@pytest.fixture(scope="module")
def synced(offline_flow, elsewhere, tmp_path_factory):
    pytest.importorskip("metaflow")
    folder = tmp_path_factory.mktemp("offline")
    run, _ = offline_flow(folder, environment(folder, elsewhere, WANDB_MODE="offline"))
    run_python(command_line, environment(folder, elsewhere), "sync", str(folder))
    return run, folder


def runs_of(flow, server):
    run, folder = flow
    keys = ("depth", "score", "tries", "rows", "exception")
    return read(folder, server, {"group": f"OfflineFlow/{run}"}, keys)


def test_a_flow_is_on_the_server_with_its_values_and_its_lineage(online, server):
    runs = {tuple(map(str, run["task"])): run for run in runs_of(online, server)}
    by_step = {}
    for (step, *_), run in runs.items():
        by_step.setdefault(step, []).append(run)
    assert {step: len(each) for step, each in by_step.items()} == {
        "start": 1,
        "train": 2,
        "join": 1,
        "flaky": 2,
        "end": 1,
    }
    assert sorted(run["state"] for run in by_step["flaky"]) == ["failed", "finished"]
    assert all(run["config"]["depth"] == 2 for run in runs.values())
    assert by_step["end"][0]["summary"]["rows"] == 5
    made = {name: (kind, digest) for run in runs.values() for name, kind, digest in run["made"] if name != "tree"}
    assert made["table"][0] == "dataset"
    assert made["array"][0] == "other"
    for run in by_step["train"]:
        assert ["table", *made["table"]] in run["used"]
    assert [["table", *made["table"]]] == [each for each in by_step["end"][0]["used"] if each[0] == "table"]


def test_offline_and_synced_the_server_says_the_same(online, synced, server, elsewhere):
    """Digests of what Metaflow or a pickle makes anew in each execution aside."""

    def comparable(flow, server):
        runs = runs_of(flow, server)
        for run in runs:
            for edges in (run["made"], run["used"]):
                edges[:] = [edge[:2] if edge[0] in ("tree", "best", "net", "pair", "raw") else edge for edge in edges]
        return runs

    assert comparable(synced, elsewhere) == comparable(online, server)


def test_values_are_loaded_back_from_the_server(synced, elsewhere):
    run, folder = synced
    place = elsewhere["WANDB_ENTITY"], elsewhere["WANDB_PROJECT"], run
    run_python(LOAD, environment(folder, elsewhere), *place, cwd=folder)


@pytest.mark.skipif(not find_spec("flytekit"), reason="flytekit does not run on this Python")
def test_a_flyte_task_is_on_the_server_with_its_history(server, tmp_path):
    run_id = f"live-{uuid.uuid4().hex[:12]}"
    env = environment(tmp_path, server, LIVE_ID=run_id)
    pyflyte = shutil.which("pyflyte", path=str(Path(sys.executable).parent))
    command = [pyflyte, "run", str(FLOWS / "live_task.py"), "training", "--folds", "3"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = read(tmp_path, server, {"name": run_id}, ("depth", "fold", "score"))
    assert (run["state"], run["tags"], run["config"]) == ("finished", ["live"], {"depth": 3})
    assert [row["fold"] for row in run["history"]] == [0, 1, 2]
    assert all(0.5 < row["score"] <= 1 for row in run["history"])
