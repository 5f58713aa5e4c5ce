"""Flows that nobody edited, code packages, deployments: what Metaflow's command line does with us."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

LIBRARIES = {"pandas", "torch", "sklearn", "polars", "pyarrow"}  # numpy comes with the client


@pytest.fixture(scope="module")
def noted(workplace):
    """`plain.py`, tracked from the command line, with a note of what each of its processes has loaded."""
    notes = workplace.folder / "notes"
    notes.mkdir()
    workplace.env["NOTES"] = str(notes)
    execution = workplace.run("plain.py", "--with", "wandb_log:datasets=true,project=x,exclude=b*,a*,max_size=10000")
    del workplace.env["NOTES"]
    return execution, [json.loads(path.read_text()) for path in notes.iterdir()]


def test_with_tracks_a_flow_that_nobody_edited(noted):
    """With arguments as text: flags, lists, numbers."""
    execution, _ = noted
    start, end = execution.only("start"), execution.only("end")
    assert start.project == "x"
    assert {artifact.name: artifact.type for artifact in start.artifacts} == {"source": "dataset"}
    assert start.summary["number"] == 3
    assert execution.used(end) == set(execution.made(start).items())


def test_no_process_loads_a_library_that_the_flow_does_not_use(noted):
    """Each step logs a number or a path: neither pandas nor torch nor scikit-learn is needed for that."""
    _, notes = noted
    assert len(notes) == 3
    assert all(LIBRARIES.isdisjoint(note["loaded"]) for note in notes)


def test_the_parent_process_does_not_load_the_client(noted):
    """Only the tasks' own processes open runs."""
    _, notes = noted
    loaded = {note["command"][1]: "wandb" in note["loaded"] for note in notes if "step" not in note["command"]}
    assert loaded == {"run": False}
    assert all("wandb" in note["loaded"] for note in notes if "step" in note["command"])


def test_a_flow_that_does_not_use_us_loads_nothing_of_ours(workplace):
    """Metaflow imports the extension everywhere: it must cost nothing."""
    code = "import metaflow, sys; print([name for name in sys.modules if name.startswith('wandb')])"
    done = subprocess.run([sys.executable, "-c", code], env=workplace.env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_mistake_on_the_command_line_is_said_before_anything_runs(workplace):
    """With the argument's name and the remedy."""
    execution = workplace.run("plain.py", "--with", "wandb_log:datasets=perhaps", check=False)
    assert execution.returncode == 1
    assert "datasets must be True or False, not 'perhaps'." in execution.output
    assert "Task is starting" not in execution.output


def test_a_local_run_looks_through_no_distributions(workplace):
    """Metaflow asks all that are installed whose a mutator is, to pack it: longer than a small step is tracked."""
    workplace.env["METAFLOW_DEBUG_PACKAGE"] = "1"
    execution = workplace.run("decorated.py")
    del workplace.env["METAFLOW_DEBUG_PACKAGE"]
    assert len(execution.runs) == 2
    assert "Adding code file" in execution.output
    assert "Looking for distributions" not in execution.output


def unpack(workplace, folder, flow, *options):
    """The code package of a flow, as a remote task finds it."""
    archive = folder / "package.tgz"
    workplace.call(flow, "--no-pylint", *options, "package", "save", str(archive))
    with tarfile.open(archive) as package:
        package.extractall(folder, filter="data")
    return folder


def run_remotely(workplace, folder, flow, *options):
    """Run an unpacked flow with nothing of ours but what its package holds."""
    libraries = folder / "site"
    libraries.mkdir()
    for path in map(Path, site.getsitepackages()):
        for entry in path.iterdir():
            if not entry.name.startswith(("wandb_track", "metaflow", "_editable_impl")):
                (libraries / entry.name).symlink_to(entry)
    env = {
        **workplace.env,
        "PYTHONPATH": f"{folder / '.mf_code'}{os.pathsep}{libraries}",
        "METAFLOW_EXTRACTED_ROOT": str(folder),
        "WANDB_DIR": str(folder),
    }
    command = [sys.executable, "-S", flow, "--no-pylint", "run", *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "options"), [("plain.py", ("--with", "wandb_log:project=remote")), ("decorated.py", ())]
)
def test_the_code_package_carries_all_that_a_remote_task_needs(workplace, tmp_path, flow, options):
    """Run from the package alone, where wandb-track is not installed, the flow is tracked."""
    folder = unpack(workplace, tmp_path, flow, *options)
    packed = {path.name for path in (folder / ".mf_code").iterdir()}
    assert {"wandb_track_core", "wandb_track_serializers", "wandb_track_metaflow", "metaflow_extensions"} <= packed
    (page,) = folder.rglob("_page.css")
    assert page.with_suffix(".js").exists()
    done = run_remotely(workplace, folder, flow, "--max-workers", "1", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2


@pytest.mark.slow
def test_the_package_of_a_flow_that_does_not_use_us_runs_without_us(workplace, tmp_path):
    """Metaflow packs all extensions into every flow: ours needs nothing else of ours there."""
    folder = unpack(workplace, tmp_path, "plain.py")
    packed = {path.name for path in (folder / ".mf_code").iterdir()}
    assert packed == {"metaflow", "metaflow_extensions"}
    done = run_remotely(workplace, folder, "plain.py", "--max-workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
