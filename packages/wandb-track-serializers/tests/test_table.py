"""Every kind of value, written in one process and read in another."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_everything_comes_back_equal_in_another_process():
    """Each row of the table is equal after it was written and read in different processes with other hash seeds."""
    script = Path(__file__).with_name("show_table.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 23
