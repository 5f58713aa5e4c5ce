"""The examples run as their first lines say, on the data that they name, and track what they say."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import command_line, isolated_env, run_python, valid_key

EXAMPLES = Path(__file__).parent.parent / "examples"


def needs(*modules):
    """Skip where an example's library is not installed, as flytekit on a Python that it does not run on."""
    missing = [module for module in modules if find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def pyflyte(folder, *args):
    command = [Path(sys.executable).with_name("pyflyte"), "run", *args]
    done = subprocess.run(command, env=isolated_env(folder), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return find_runs(folder)


def of_task(runs, name):
    return [run for run in runs if run.job_type == name]


def edges(runs, kind):
    """Name, without entity and project, and versions of what the runs made ("output"), or used ("input")."""
    found = [edge for run in runs for edge in read_lineage(run.path.parent) if edge["edge"] == kind]
    names = [edge["name"].rpartition("/")[2] for edge in found]
    versions = [{edge["alias"]} if kind == "input" else {*edge["aliases"]} for edge in found]
    return list(zip(names, versions, strict=True))


def check_tied(runs):
    """Every run ended well, and each input is a version that one of the runs made."""
    assert {run.exit_code for run in runs} == {0}
    made, used = edges(runs, "output"), edges(runs, "input")
    assert used
    for name, version in used:
        assert any(name == other and version <= versions for other, versions in made), f"{name}:{version}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the main job left: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    present = [name for name, module in (("flyte", "flytekit"), ("metaflow", "metaflow")) if find_spec(module)]
    done = run_python(EXAMPLES / "demo.py", {**isolated_env(folder), "WANDB_MODE": ""}, *present, timeout=900)
    return folder, done.stdout


@needs("sklearn")
def test_the_demo_shows_each_run_at_a_glance(demo):
    folder, shown = demo
    runs = find_runs(folder)
    assert runs
    for run in runs:
        block = shown[shown.index(f"id        {run.id}\n") :].partition("\n\n")[0]
        state, config, metrics, *_ = [line.split(None, 1) for line in block.splitlines()[1:]]
        assert state == ["state", "finished"]
        assert config[0] == "config"
        assert metrics[0] == "metrics"
        assert f"path      {run.folder}\n" in block
        assert f"look      wandb leet {run.folder}\n" in block
        assert block.endswith(f"sync      wandb-track sync {run.folder}")
    assert [line.split()[1:3] for line in shown.splitlines() if line.split()[:1] == ["input"]] == [
        [edge["name"], f"({edge.get('type', 'artifact')})"]
        for run in runs
        for edge in read_lineage(run.folder)
        if edge["edge"] == "input"
    ]


@needs("flytekit", "sklearn")
def test_flyte_trains_and_logs_each_epoch(demo):
    runs = find_runs(demo[0] / "flyte")
    assert {run.exit_code for run in runs} == {0}
    (loaded,), (trained,), (evaluated,) = (of_task(runs, name) for name in ("load_data", "train_model", "evaluation"))
    assert loaded.summary["train_rows"] > loaded.summary["test_rows"]
    losses = trained.values("loss")
    assert len(losses) == trained.config["epochs"] > 2
    assert losses[-1] < losses[0]
    assert evaluated.summary["test_accuracy"] > 0.9
    check_tied(runs)
    assert {name for name, _ in edges([evaluated], "input")} == {"test_data", "classifier"}


@needs("flytekit", "sklearn")
def test_flyte_maps_one_run_for_each_element(tmp_path):
    runs = pyflyte(tmp_path, EXAMPLES / "flyte_map" / "workflow.py", "search", "--strengths", "[0.001, 1.0]")
    assert {run.exit_code for run in runs} == {0}
    elements, (selected,) = of_task(runs, "fit"), of_task(runs, "selection")
    means = {run.config["strength"]: run.summary["mean_accuracy"] for run in elements}
    assert means.keys() == {0.001, 1.0}
    assert all(len(run.values("accuracy")) == 5 for run in elements)
    assert selected.summary["best_strength"] == max(means, key=means.get)


@needs("metaflow", "sklearn")
def test_metaflow_selects_a_model_and_ties_it_to_its_data(demo):
    runs = find_runs(demo[0] / "metaflow")
    check_tied(runs)
    assert len({run.id for run in runs}) == len(runs)
    assert len({run.group for run in runs}) == 1
    assert max(len(of_task(runs, run.job_type)) for run in runs) > 1, "there are no siblings of a foreach"
    assert {"dataset", "model"} <= {artifact.type for run in runs for artifact in run.artifacts}


@needs("metaflow", "torch", "sklearn")
def test_torch_keeps_the_network_and_the_next_step_uses_it(tmp_path):
    run_python(EXAMPLES / "torch_digits" / "flow.py", isolated_env(tmp_path), "run", "--epochs", "2", timeout=900)
    runs = find_runs(tmp_path)
    check_tied(runs)
    (trained,), (evaluated,) = of_task(runs, "train"), of_task(runs, "end")
    assert len(trained.values("loss")) == trained.config["epochs"] == 2
    assert [artifact.type for artifact in trained.artifacts] == ["model"]
    assert {name for name, _ in edges([evaluated], "input")} == {"model", "test_data"}
    assert evaluated.summary["test_accuracy"] > 0.6


@needs("sklearn", "rich")
def test_offline_runs_reach_the_server_with_their_lineage(tmp_path):
    env = isolated_env(tmp_path)
    run_python(EXAMPLES / "offline_sync" / "pipeline.py", env)
    check_tied(find_runs(tmp_path))
    tree = run_python(command_line, env, "lineage", str(tmp_path)).stdout
    assert tree.index("prepare") < tree.index("diabetes:") < tree.index("train") < tree.index("forest:")
    server = subprocess.Popen(
        [sys.executable, "-m", "wandb_track_testing.standin"], stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        url = server.stdout.readline().strip()
        online = isolated_env(tmp_path, WANDB_MODE=None, WANDB_BASE_URL=url, WANDB_API_KEY=valid_key)
        first = run_python(command_line, online, "sync", str(tmp_path))
        second = run_python(command_line, online, "sync", str(tmp_path))
    finally:
        server.send_signal(signal.SIGTERM)
        state = json.loads(server.communicate()[0])
    assert "2 synced, 0 there already, 0 not synced" in first.stderr
    assert "0 synced, 2 there already, 0 not synced" in second.stderr
    trained = next(run for path, run in state["runs"].items() if "train" in path)
    assert [row["trees"] for row in trained["history"]] == [5, 10, 20, 40]
    assert len(trained["logged"]) == len(trained["used"]) == 1
    assert "diabetes" in str(trained["used"])


@needs("scipy", "sklearn", "hatchling")
def test_an_installed_plugin_writes_sparse_matrices(tmp_path):
    """The wheel is built and lies unpacked on the path, as an installer leaves it."""
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    build = "import sys; from hatchling.cli import hatchling; sys.exit(hatchling())"
    env = isolated_env(tmp_path)
    run_python(build, env, "build", "-t", "wheel", "-d", str(wheels), cwd=EXAMPLES / "serializer_plugin")
    (wheel,) = wheels.iterdir()
    run_python("import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])", env, str(wheel), str(site))
    env["PYTHONPATH"] = str(site)
    done = run_python(EXAMPLES / "serializer_plugin" / "use.py", env)
    assert done.stdout.startswith("scipy.npz: (4, ")
    assert done.stdout.strip().endswith("csr_matrix")
    (artifact,) = find_runs(tmp_path)[0].artifacts
    assert artifact.type == "dataset"
    assert list(artifact.entries) == ["tfidf.npz"]
    assert artifact.metadata["wandb_track"]["written_by"] == "wandb-track-scipy-sparse 0.1.0"


def test_every_example_is_run_here():
    """No folder below examples/ is left out, and no program in them is longer than a reader's patience.

    Those that bring tests and requirements of their own are run by `nox -s examples`.
    """
    tested, demo = Path(__file__).read_text(), (EXAMPLES / "demo.py").read_text()
    folders = [path for path in EXAMPLES.iterdir() if path.is_dir() and any(path.rglob("*.py"))]
    assert len(folders) >= 6
    alone = {path.parent for path in EXAMPLES.glob("*/test_*.py") if path.with_name("requirements.txt").exists()}
    assert [path.name for path in folders if path not in alone and f'"{path.name}"' not in tested + demo] == []
    programs = [path for folder in folders for path in folder.rglob("*.py") if not path.name.startswith("test_")]
    long = {path: len(path.read_text().splitlines()) for path in programs}
    assert {os.path.relpath(path, EXAMPLES): lines for path, lines in long.items() if lines > 110} == {}
