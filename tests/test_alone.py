"""One wheel in an environment that holds it and what it brings, and nothing else: `nox -t alone` makes that.

ALONE names the package. What a bare environment cannot do has to say what it needs.
"""

import importlib
import importlib.metadata
import os
import pkgutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

PACKAGE = os.environ.get("ALONE", "")
OPTIONAL = {"pandas", "polars", "safetensors", "scikit-learn", "skops", "torch"}
NEVER = {
    "core": OPTIONAL | {"flytekit", "metaflow", "rich", "wandb"},
    "serializers": OPTIONAL | {"flytekit", "metaflow", "numpy", "pyarrow", "wandb"},
    "flyte": OPTIONAL | {"metaflow"},
    "metaflow": OPTIONAL | {"flytekit"},
}
"""What a package brings neither itself nor by way of what it requires."""
HEAVY = OPTIONAL | {"numpy", "pyarrow", "sklearn", "wandb"}

pytestmark = pytest.mark.skipif(not PACKAGE, reason="`nox -t alone` runs it, in environments of its own")


def of(*packages):
    return pytest.mark.skipif(PACKAGE not in packages, reason=f"it is about {', '.join(packages)}")


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_it_brings_nothing_that_it_does_not_need():
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    assert f"wandb-track-{PACKAGE}" in installed
    assert installed & NEVER[PACKAGE] == set()


@of("core", "serializers", "metaflow")  # what flytekit loads is not ours to say
def test_importing_it_loads_nothing_heavy():
    loaded = output(sys.executable, "-c", f"import sys, wandb_track_{PACKAGE}; print(*sys.modules)").split()
    assert f"wandb_track_{PACKAGE}" in loaded
    assert HEAVY & set(loaded) == set()


def test_each_module_can_be_imported_or_says_what_to_install():
    home = importlib.import_module(f"wandb_track_{PACKAGE}")
    modules = [found.name for found in pkgutil.walk_packages(home.__path__, f"{home.__name__}.")]
    failed = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            failed[module] = str(error)
    assert modules
    assert {module: said for module, said in failed.items() if "pip install" not in said} == {}


@of("core")
def test_a_task_lives_without_wandb_and_the_command_says_what_it_needs():
    task = "with TrackedRun(TaskIdentity('any', 'task'), project='any'): print('done')"
    said = output(sys.executable, "-c", f"from wandb_track_core import TaskIdentity, TrackedRun\n{task}")
    assert [word for word in ("done", "this task was not tracked", "pip install 'wandb>=") if word not in said] == []
    said = output(str(Path(sys.executable).with_name("wandb-track")), "show", "x")
    assert [word for word in ("rich", "wandb", "pip install 'wandb-track-core[cli]'") if word not in said] == []


@of("serializers")
def test_a_pickle_comes_back_and_what_needs_a_library_names_it(tmp_path):
    from wandb_track_serializers import dump, load, to_artifact

    dump(Fraction(1, 3), tmp_path / "pickle")
    assert load(tmp_path / "pickle", trusted=True) == Fraction(1, 3)
    (tmp_path / "frame").mkdir()
    (tmp_path / "frame" / "frame.parquet").write_bytes(b"PAR1")
    with pytest.raises(Exception, match="pandas"):
        load(tmp_path / "frame")
    with pytest.raises(Exception, match=r"\[wandb\]"):
        to_artifact("x", Fraction(1, 3), others=True)


@of("metaflow")
def test_metaflow_finds_the_decorator():
    from metaflow.plugins import STEP_DECORATORS

    assert "wandb_log" in {decorator.name for decorator in STEP_DECORATORS}
