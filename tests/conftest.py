"""What several tests of the packages together run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def offline_flow():
    """Run the flow of `flows/offline_flow.py` in a folder: returns Metaflow's id of the run, and what it printed."""

    def run(folder, env):
        flow = Path(__file__).parent / "flows" / "offline_flow.py"
        command = [sys.executable, str(flow), "--no-pylint", "run", "--max-workers", "2"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.search(r"run-id (\d+)", done.stdout)[1], done.stdout

    return run
