"""What was made faster gives the same answers as the client's own code."""

from importlib.metadata import distributions

import pytest
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core._wandb._speedups import _installed
from wandb_track_testing.plugin import isolated_env, run_python


def test_the_installed_packages_are_those_that_their_whole_metadata_name():
    whole = {(each.metadata["Name"], each.version) for each in distributions()}
    assert {(each.key, each.version) for each in _installed()} == whole


def test_a_runs_requirements_are_written_all_the_same(wandb_env):
    with TrackedRun(TaskIdentity("chain", "train", key=("e1",)), project="p", mode="offline") as run:
        folder = run.dir
    import wandb

    wandb.teardown()
    with open(f"{folder}/requirements.txt") as file:
        written = set(file.read().split())
    assert f"wandb=={wandb.__version__}" in written


CODE = """
import sys
from wandb_track_core import TaskIdentity, TrackedRun
{first}
with TrackedRun(TaskIdentity("chain", "train", key=("e1",)), project="p") as run:
    print(run.config.get("lr"), "wandb.sdk.launch" in sys.modules)
"""
STAGE = """
import json, wandb
from wandb.sdk import launch
json.dump({"lr": 0.1}, open("inputs.json", "w"))
launch.manage_config_file("inputs.json")
"""


@pytest.mark.parametrize(("first", "imported"), [("", False), (STAGE, True)], ids=["none staged", "staged"])
def test_launch_inputs_are_looked_for_where_some_can_have_been_staged(tmp_path, first, imported):
    done = run_python(CODE.format(first=first), isolated_env(tmp_path))
    assert done.stdout.split()[-1] == str(imported)


MODELS = """
from wandb_track_core._wandb._speedups import docstrings_unread
with docstrings_unread():
    import wandb
    from pydantic import BaseModel, ConfigDict
    class Model(BaseModel):
        model_config = ConfigDict(use_attribute_docstrings=True)
        loss: float
        "What is minimized."
class Later(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)
    loss: float
    "What was minimized."
print([each.model_fields["loss"].description for each in (Model, Later)])
print(wandb.Settings.model_fields["project"].description)
"""


def test_only_the_clients_own_models_go_without_the_docstrings_of_their_fields(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)
    done = run_python(tmp_path / "models.py", isolated_env(tmp_path))
    assert done.stdout.splitlines() == ["['What is minimized.', 'What was minimized.']", "None"]


COLLECTION = """
import gc
from wandb_track_core import TaskIdentity, TrackedRun
{first}
with TrackedRun(TaskIdentity("chain", "train"), project="p"):
    print(gc.isenabled())
"""


@pytest.mark.parametrize(("first", "enabled"), [("", True), ("gc.disable()", False)], ids=["on", "off"])
def test_garbage_is_collected_in_a_task_as_it_was_before(tmp_path, first, enabled):
    done = run_python(COLLECTION.format(first=first), isolated_env(tmp_path))
    assert done.stdout.split()[-1] == str(enabled)
