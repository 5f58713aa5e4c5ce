"""Dependencies point one way, and what is heavy is imported where it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = ROOT / "tests" / "layers.py"


def check(packages: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECK, packages], capture_output=True, text=True, check=False)


def test_no_import_of_the_packages_breaks_a_rule():
    done = check(ROOT / "packages")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("package", "source", "complaint"),
    [
        ("wandb_track_core", "def f():\n    import wandb_track_flyte", "must not import wandb_track_flyte"),
        ("wandb_track_core", "from metaflow import current", "must not import metaflow"),
        ("wandb_track_serializers", "import flytekit", "must not import flytekit"),
        ("wandb_track_flyte", "import wandb_track_metaflow", "must not import wandb_track_metaflow"),
        (
            "wandb_track_metaflow",
            "try:\n    import torch\nexcept ImportError:\n    pass",
            "torch is imported at module",
        ),
        ("wandb_track_serializers", "class A:\n    import pandas as pd", "pandas is imported at module level"),
        ("wandb_track_core", "def f():\n    import wandb", "of the core may import wandb"),
        (
            "wandb_track_flyte",
            "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import torch",
            "torch is imported at module level",
        ),
        (
            "wandb_track_flyte",
            "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import torch",
            "torch is imported at module level",
        ),
        ("wandb_track_core", 'import importlib\nimportlib.import_module("torch.nn")', "torch is imported at module"),
        ("wandb_track_core", 'from importlib import import_module\nimport_module("torch")', "torch is imported at mod"),
        ("wandb_track_core", 'x = __import__("pandas")', "pandas is imported at module level"),
        ("wandb_track_core", 'def f():\n    __import__("metaflow")', "must not import metaflow"),
        ("metaflow_extensions", "import wandb_track_metaflow", "must import nothing of ours"),
    ],
)
def test_a_planted_import_that_breaks_a_rule_is_found_and_named(tmp_path, package, source, complaint):
    planted = tmp_path / "any" / "src" / package / "module.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(source)
    done = check(tmp_path)
    assert done.returncode == 1
    assert complaint in done.stdout
    assert "module.py" in done.stdout


def test_an_import_for_type_checking_only_is_allowed(tmp_path):
    planted = tmp_path / "any" / "src" / "wandb_track_core" / "module.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import wandb\n")
    assert check(tmp_path).returncode == 0
