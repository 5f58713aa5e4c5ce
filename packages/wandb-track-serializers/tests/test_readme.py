"""The README's examples run as they stand, one after the other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_every_example_runs(tmp_path):
    """All Python blocks of the README together are a program that runs and prints what its reader expects."""
    for library in ("pandas", "pyarrow", "wandb"):
        pytest.importorskip(library)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "HOME": str(tmp_path)}
    env |= {name: str(tmp_path) for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pandas.parquet ['prices.parquet']\n")
    assert "is a pickle of fractions.Fraction" in done.stdout
    assert "pass trusted=True" in done.stdout
