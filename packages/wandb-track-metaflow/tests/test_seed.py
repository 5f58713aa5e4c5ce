"""The three examples of W&B's documentation, as real flows with real libraries, offline and with a server."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import find_runs

EXAMPLES = ("step", "flow", "both")
STEPS = {"step": ["start"], "flow": ["start", "transform", "end"], "both": ["start", "mid", "end"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved model, and the name of its class."""
    folder = tmp_path_factory.mktemp("model")
    if importlib.util.find_spec("torch"):
        code = "import sys, torch; torch.save(torch.nn.Linear(30, 2), sys.argv[1])"
        path = folder / "model.pt"
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        return SimpleNamespace(path=str(path), kind="Linear")
    from sklearn.linear_model import LogisticRegression

    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression()))
    return SimpleNamespace(path=str(path), kind="LogisticRegression")


@pytest.fixture(scope="module", params=["offline", "online"])
def tracked(request, workplace_of, standin_session, model):
    """The three executions, side by side; by example and step what was tracked, in one form for both modes."""
    place = workplace_of("seed", **(standin_session.env() if request.param == "online" else {}))
    given = {"step": ["--model_file_name", model.path], "flow": ["--model_file_name", model.path], "both": []}
    started = [
        subprocess.Popen(
            place.command(f"seed_{example}.py", "--no-pylint", "run", *given[example]),
            cwd=place.folder,
            env=place.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for example in EXAMPLES
    ]
    outputs = [one.communicate(timeout=600)[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], "\n".join(outputs)
    assert request.param == "offline" or not any("wandb-track:" in output for output in outputs), "\n".join(outputs)
    if request.param == "offline":
        return [_offline(run) for run in find_runs(place.folder)]
    return [_online(run) for run in standin_session.runs.values() if run.project.startswith("seed-")]


def _offline(run):
    keys = {
        (edge["name"], alias): edge["digest"]
        for edge in read_lineage(run.folder)
        for alias in edge.get("aliases", ())
        if alias != "latest"
    }
    used = {(edge["name"], edge["alias"]) for edge in read_lineage(run.folder) if edge["edge"] == "input"}
    made = {artifact.name: (artifact.type, sorted(artifact.entries)) for artifact in run.artifacts}
    return SimpleNamespace(run=run, made=made, keys=set(keys), used=used, notes=run.notes)


def _online(run):
    def keys(artifacts):
        return {
            (each.collection.name, alias) for each in artifacts for alias in each.aliases if alias.startswith("sha-")
        }

    made = {each.collection.name: (each.type, sorted(each.entries)) for each in run.logged}
    assert all(each.missing == [] for each in run.logged)
    return SimpleNamespace(
        run=run, made=made, keys=keys(run.logged), used=keys(use.artifact for use in run.used), notes=run.notes
    )


def of(tracked, example, step):
    (found,) = [one for one in tracked if (one.run.project, one.run.job_type) == (f"seed-{example}", step)]
    return found


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_decorated_step_is_one_run_in_the_flows_group(tracked, example):
    """With the defaults that the documentation states, and exit code 0."""
    runs = [one.run for one in tracked if one.run.project == f"seed-{example}"]
    assert [run.job_type for run in runs] == STEPS[example]
    (group,) = {run.group for run in runs}
    assert group.startswith("WandbExampleFlow/")
    assert {run.exit_code for run in runs} == {0}


@pytest.mark.parametrize("example", EXAMPLES)
def test_datasets_and_models_become_artifacts_and_parameters_config(tracked, example, model):
    """A torch module, where there is torch, and a DataFrame."""
    start = of(tracked, example, "start")
    assert start.made == {"raw_df": ("dataset", ["raw_df.parquet"]), "model_file": ("model", ["model_file.pkl"])}
    assert start.run.config.get("model_file_name") == (None if example == "both" else model.path)
    assert start.used == set()


def test_settings_are_taken_over(tracked):
    """Those of a `wandb.Settings`."""
    assert of(tracked, "step", "start").notes == "as documented"


def test_a_later_step_of_a_decorated_flow_uses_what_the_first_one_made(tracked, model):
    """Exactly that version of each; base types are its summary."""
    transform = of(tracked, "flow", "transform")
    assert transform.used == of(tracked, "flow", "start").keys
    assert len(transform.used) == 2
    assert (transform.run.summary["classes"], transform.run.summary["kind"]) == ([0, 1], model.kind)
    assert transform.made == {}


def test_a_steps_own_decorator_wins_wholly(tracked):
    """`mid` logs what it set anew; `end` logs neither datasets nor models."""
    mid = of(tracked, "both", "mid")
    assert set(mid.made) == {"raw_df", "model_file"}
    assert mid.used == set()
    assert of(tracked, "both", "end").made == {}


def test_switched_off_by_the_environment_a_flow_runs_and_leaves_no_file_of_the_client(workplace_of, model):
    place = workplace_of("off", WANDB_MODE="disabled")
    done = place.run("seed_step.py", "--model_file_name", model.path)
    assert done.runs == []
    assert not (place.folder / "wandb").exists()
    assert list((place.folder / "home").rglob("*wandb*")) == []
