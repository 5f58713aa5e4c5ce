"""A user's day with tracking: what a step does, sees and leaves is as it was without us."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from wandb_track_metaflow._identity import _deployment

FLOW = "day.py"
RESULT = "RESULT [1, 2] [] True [3, 3] 3"


@pytest.fixture(scope="module")
def execution(workplace):
    """With another namespace than the user's own: looking a task up must not ask for it."""
    return workplace.run(FLOW, "--namespace", "user:other")


@pytest.fixture(scope="module")
def untracked(workplace_of):
    return workplace_of("untracked", UNTRACKED="1").run(FLOW)


def test_a_step_sees_what_it_would_see_untracked(execution, untracked):
    """Its functions and its class are pickled, what it lets go is gone, nothing is pickled because it is read."""
    assert RESULT in execution.output
    assert "TRACEBACK False" in execution.output
    assert RESULT in untracked.output


def test_how_a_value_is_stored_is_said_once_by_the_step_that_logs_it(execution):
    """Not by those that only read it, and are compared with it; and nothing else is said."""
    (line,) = [line for line in execution.output.splitlines() if "wandb-track" in line or "was pickled" in line]
    assert "/start/" in line
    assert re.search(r"wandb-track: 'days' \(pandas\..*DataFrame\) was pickled: column 'note' holds objects", line)


def test_what_it_read_is_linked_also_in_another_namespace(execution):
    """Directly, by the tasks of a foreach, after a merge; a frame that Metaflow stored again under other keys, too."""
    start = execution.made("start")
    frame = ("days", start["days"])
    assert execution.used("reads") == {(name, start[name]) for name in ("big", "kept", "changed", "counter", "days")}
    assert all(execution.used(run) == {frame} for run in execution.of("part"))
    assert execution.used("join") == {frame}


def test_what_was_only_read_is_no_output_and_what_was_changed_in_place_is(execution):
    """Also where pickling it again gives other bytes."""
    assert set(execution.made("reads")) == {"changed"} | ({"counter"} & set(execution.made("reads")))
    assert execution.made("reads")["changed"] != execution.made("start")["changed"]
    assert all(not execution.made(run) for run in execution.of("part"))
    assert not execution.made("join")


def test_an_object_is_pickled_at_most_once_more_than_untracked(execution, untracked):
    """And only where it is logged: Metaflow pickles it at the end of the step that made it."""
    assert "PICKLED 2\n" in execution.output
    assert "PICKLED 1\n" in untracked.output


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [False, True])
def test_spin_runs_a_step_and_tracks_it_where_metaflow_lets_decorators_run(workplace_of, allowed):
    """Otherwise the current run is a quiet one, and one line says how to track it."""
    extra = {"METAFLOW_SPIN_ALLOWED_DECORATORS": json.dumps(["wandb_log"])} if allowed else {}
    place = workplace_of("spin", **extra)
    if "spin" not in place.call("spun.py", "--no-pylint", "--help").output:
        pytest.skip("Metaflow has spin since 2.19")
    place.run("spun.py")
    spun = place.call("spun.py", "--no-pylint", "spin", "middle")
    assert "SPUN 3" in spun.output
    if allowed:
        assert spun.only("middle").values("rows") == [3]
        assert spun.only("middle").exit_code == 0
    else:
        assert spun.runs == []
        assert spun.output.count("wandb-track: ") == 1
        assert "METAFLOW_SPIN_ALLOWED_DECORATORS" in spun.output


def test_two_deployments_that_number_their_runs_have_ids_of_their_own():
    """The datastore's root tells them apart; ids that are no numbers are distinct without it."""
    parts = {"run_id": "1", "metadata": SimpleNamespace(TYPE="service")}
    one, two = (
        SimpleNamespace(**parts, datastore=SimpleNamespace(parent_datastore=parent))
        for root in ("s3://one/metaflow", "s3://two/metaflow")
        for parent in [SimpleNamespace(TYPE="s3", datastore_root=root, flow_name="Flow")]
    )
    assert _deployment(one) != _deployment(two)
    assert _deployment(one) == _deployment(one)
    two.run_id = "argo-flow-x7"
    assert _deployment(two) == ""


FAULT = """
from {module} import {owner}
def boom(*given, **named): raise ZeroDivisionError("planted")
{owner}.{name} = boom
"""


@pytest.mark.parametrize(
    ("module", "owner", "name", "runs"),
    [
        ("wandb_track_metaflow._step", "StepTracker", "_prepare", 0),
        ("wandb_track_metaflow._outputs", "Outputs", "take", 3),
        pytest.param("wandb_track_metaflow", "_notices", "begin_flow", 3, marks=pytest.mark.slow),
    ],
)
def test_a_fault_of_ours_is_a_line_and_the_step_goes_on(workplace_of, tmp_path, module, owner, name, runs):
    """Its calls of W&B work, or do nothing."""
    (tmp_path / "sitecustomize.py").write_text(FAULT.format(module=module, owner=owner, name=name))
    execution = workplace_of("fault", PYTHONPATH=str(tmp_path)).run("spun.py")
    assert "SPUN 3" in execution.output
    assert len(execution.runs) == runs
    assert execution.output.count("Please report this: ZeroDivisionError: planted") == 3


def test_what_a_future_metaflow_lacks_is_a_line_and_the_step_goes_on():
    """With a copy of Metaflow in which one name is another; `moved_names.py` tries all of them."""
    program = str(Path(__file__).parent / "moved_names.py")
    done = subprocess.run([sys.executable, program, "items"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 runs; off in this flow" in done.stdout


def test_without_a_login_a_run_is_kept_offline_on_the_users_own_machine(workplace_of):
    """One line for the whole flow says so."""
    execution = workplace_of("own", WANDB_MODE=None, WANDB_API_KEY=None).run("plain.py", "--with", "wandb_log")
    assert [run.exit_code for run in execution.runs] == [0] * len(execution.runs) != []
    assert len(execution.runs) > 1
    assert execution.output.count("wandb-track: ") == execution.output.count("nobody is logged in") == 1


def test_without_any_key_a_remote_task_fails_before_the_users_code(workplace_of):
    """The error names the remedy."""
    pod = {"METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes", "WANDB_MODE": None, "WANDB_API_KEY": None}
    execution = workplace_of("pod", **pod).run("spun.py", check=False)
    assert execution.returncode == 1
    assert "MissingKeyError" in execution.output
    assert "secret=" in execution.output
    assert "MADE" not in execution.output


@pytest.mark.slow
@pytest.mark.parametrize(("given", "kept"), [("", False), ("keep_local=true", True)])
def test_in_a_pod_the_local_copy_goes_once_it_is_stored(workplace_of, given, kept):
    """Unless it is said that it stays."""
    place = workplace_of("stored", METAFLOW_RUNTIME_ENVIRONMENT="kubernetes", WANDB_TRACK_STORE="always")
    execution = place.run("plain.py", "--with", f"wandb_log:datasets=true,{given}".rstrip(","))
    stored = list(place.folder.rglob("*offline-run-*.tar"))
    assert len(stored) == 2
    assert len(execution.runs) == (2 if kept else 0)


@pytest.mark.slow
def test_an_image_without_pyarrow_is_said_once(workplace_of, tmp_path):
    """With what it means for who reads the artifact."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pyarrow'] = None\n")
    execution = workplace_of("bare", PYTHONPATH=str(tmp_path)).run("spun.py")
    assert execution.output.count("values are pickled: Parquet needs pip install") == 1


OLDER = os.environ.get("OLDER_PYTHON") or shutil.which("python3.9") or ""


@pytest.mark.skipif(
    not OLDER or subprocess.run([OLDER, "-V"], capture_output=True).returncode != 0,
    reason="there is no Python 3.9 here",
)
def test_an_older_python_is_told_in_one_line():
    """With the version that is needed, not with a TypeError about an operator."""
    source = Path(__file__).parents[1] / "src"
    done = subprocess.run(
        [OLDER, "-c", "from wandb_track_metaflow import wandb_log"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )
    assert "Python 3.10 or later" in done.stderr.splitlines()[-1]
    assert sys.version_info >= (3, 10)
