"""Each package's source has no wrong type: mypy, strict."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytest.importorskip("mypy")


@pytest.mark.parametrize("package", ["core", "serializers", "flyte", "metaflow"])
def test_types(package):
    pytest.importorskip(f"wandb_track_{package}")
    command = [sys.executable, "-m", "mypy", f"packages/wandb-track-{package}/src"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
