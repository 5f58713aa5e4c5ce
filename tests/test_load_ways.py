"""Every kind of value comes back by each of the ways in which it can be named, from a folder and from a server."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from wandb_track_testing.plugin import command_line, isolated_env, run_python
from wandb_track_testing.standin import StandIn

pytest.importorskip("flytekit")
pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

pytestmark = pytest.mark.slow

FLOWS = Path(__file__).parent / "flows"
EXECUTION = "f0kinds"
LOAD = """
import json, sys
from wandb_track_flyte import load
from wandb_track_serializers import UntrustedError, load_artifact

PLACE = {"project": "kinds", "entity": "acme"}
where, has_torch = json.loads(sys.argv[1]), sys.argv[2]
WAYS = {
    "name": lambda name, **more: load_artifact(name, **more),
    "project and alias": lambda name, **more: load_artifact(f"acme/kinds/{name}:flyte-f0kinds", **more),
    "version": lambda name, **more: load_artifact(f"kinds/{name}:v0", **more),
    "producing run": lambda name, **more: load_artifact(f"acme/kinds/{name}", run="f0kinds-n0-0", **more),
    "execution and task": lambda name, **more: load("f0kinds", "produce", name, **PLACE, **more),
    "latest execution": lambda name, **more: load("latest", "all_kinds.produce", name, **PLACE, **more),
}

def check(get):
    table = get("table")
    assert table.to_dict("list") == {"x": [1.0, 2.0, 3.0], "y": [0, 0, 1]}
    assert get("array").tolist() == [0, 1, 2, 3]
    assert get("notes").read_text() == "notes"
    for name in ("tree", "pair", *(["net"] if has_torch else [])):
        try:
            get(name)
        except UntrustedError as error:
            assert "trusted=True" in str(error)
        else:
            raise AssertionError(f"{name} was read without trust")
    assert get("tree", trusted=True).predict(table[["x"]]).tolist() == [0, 0, 1]
    assert get("pair", trusted=True) == slice(1, 4)
    if has_torch:
        assert get("net", trusted=True).weight.tolist() == [[0.5, 0.5]]
        assert get("weights")["weight"].tolist() == [[0.5, 0.5]]

for name, way in WAYS.items():
    print(name)
    check(lambda name, **more: way(name, **where, **more))
"""

OTHER = """
from pathlib import Path
import wandb

Path("other.txt").write_text("another table")
with wandb.init(entity="acme", project="kinds") as run:
    artifact = wandb.Artifact("table", type="dataset")
    artifact.add_file("other.txt")
    run.log_artifact(artifact).wait()
"""


def execute(task, node, folder, **env):
    """Run a task as the platform does in its container; return the folder of its raw outputs."""
    from flytekit.models.literals import LiteralMap

    raw = folder / "raw" / "zz" / f"{EXECUTION}-{node}-0"
    inputs = folder / "inputs.pb"
    inputs.write_bytes(LiteralMap({}).to_flyte_idl().SerializeToString())
    container = {
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
        "FLYTE_INTERNAL_EXECUTION_ID": EXECUTION,
        "FLYTE_INTERNAL_TASK_NAME": f"all_kinds.{task}",
        "FLYTE_ATTEMPT_NUMBER": "0",
        "HOSTNAME": raw.name,
    }
    prefix = folder / f"p-d-{EXECUTION}" / node / "data" / "0"
    options = ["--inputs", str(inputs), "--output-prefix", str(prefix), "--raw-output-data-prefix", str(raw)]
    options += ["--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--"]
    program = shutil.which("pyflyte-execute", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [program, *options, "task-module", "all_kinds", "task-name", task],
        env={**isolated_env(folder, **env), **container},
        cwd=FLOWS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (prefix / "outputs.pb").exists(), done.stdout + done.stderr
    return raw


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """What two tasks of one execution left that ran offline: only their raw outputs are kept."""
    folder = tmp_path_factory.mktemp("containers")
    execute("produce", "n0", folder)
    execute("consume", "n1", folder)
    shutil.rmtree(folder / "wandb")
    shutil.rmtree(folder / "home" / "data", ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def synced(offline):
    with StandIn() as server:
        env = isolated_env(offline, **{**server.env(), "WANDB_MODE": None})
        run_python(command_line, env, "sync", str(offline / "raw"))
        yield server


@pytest.mark.parametrize("place", ["offline", "server"])
def test_every_kind_comes_back_by_each_way(offline, synced, tmp_path, place):
    """In a process that never saw the producer's code; what runs code on loading only where it is trusted."""
    where = {"offline": str(offline / "raw")} if place == "offline" else {}
    env = isolated_env(
        tmp_path, **({} if where else {**synced.env(), "WANDB_ENTITY": "acme", "WANDB_PROJECT": "kinds"})
    )
    run_python(LOAD, env, json.dumps(where), "torch" if find_spec("torch") else "")


def check_use(server):
    made = server.runs["acme", "kinds", f"{EXECUTION}-n0-0"]
    used = server.runs["acme", "kinds", f"{EXECUTION}-n1-0"]
    assert made.summary["rows"] == 3
    assert {one.name.partition(":")[0] for one in made.logged} >= {"table", "array", "notes", "tree", "pair"}
    assert {one.artifact.name for one in used.used} == {"table:v0", "tree:v0", "notes:v0"}


def test_a_task_is_linked_to_what_its_execution_made(synced):
    """Offline and synced: the versions that the consumer took by name, and by an alias."""
    check_use(synced)


def test_a_task_takes_what_its_own_execution_made_and_not_the_latest(tmp_path):
    """Online, where another version has become the latest in the meantime."""
    with StandIn() as server:
        env = {**server.env(), "WANDB_MODE": "online"}
        execute("produce", "n0", tmp_path, **env)
        run_python(OTHER, isolated_env(tmp_path, **env))
        execute("consume", "n1", tmp_path, **env)
        check_use(server)
