# /// script
# dependencies = ["wandb-track-metaflow", "scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"]
# ///
"""Metaflow's own test suite gives the same verdicts with tracking as without.

    python packages/wandb-track-metaflow/tests/metaflow_suite.py FOLDER [--tests A,B] [--graphs C,D] [--contexts NAME]

FOLDER is a checkout of Metaflow's repository, or its `test/core`. Nothing is fetched: without the folder the program
says so and exits with 0. The suite runs twice: as it is, and with `METAFLOW_DEFAULT_DECOSPECS` adding `wandb_log` to
every step of every generated flow. Exits with 1 where a verdict differs.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env

WITH = "wandb_log:datasets=True,models=True,others=True"
_VERDICT = re.compile(r"^(?:\x1b\[[0-9;]*m|\[pid \d+\] )*### *(.*): (success|failed) \[using (\w+) executor\]")


def verdicts(suite: Path, options: argparse.Namespace, **env: str) -> tuple[dict[str, str], int]:
    """Run the suite; the verdict of each combination, and how many runs it left."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "core")
        shutil.copytree(suite, copy)
        listed = json.loads((copy / "contexts.json").read_text())
        for context in listed["contexts"]:
            context["executors"] = options.executors.split(",")
        for each in (*listed["contexts"], *listed["checks"].values()):
            each["python"] = sys.executable
        (copy / "contexts.json").write_text(json.dumps(listed))
        command = [sys.executable, "run_tests.py", "--inherit-env", f"--num-parallel={options.parallel}"]
        command += [f"--{name}={getattr(options, name)}" for name in ("contexts", "tests", "graphs")]
        inherited = isolated_env(
            Path(folder), PYTHONPATH=str(copy), METAFLOW_CLICK_API_PROCESS_CONFIG="0", USER="user", **env
        )
        done = subprocess.run(command, cwd=copy, env=inherited, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode(errors="replace")
        found = {}
        for line in output.splitlines():
            if verdict := _VERDICT.match(line):
                found[f"{verdict[1]} [{verdict[3]}]"] = verdict[2]
        if not found:
            print(output[-5000:])
        for line in output.splitlines():
            if "wandb-track itself" in line or "off in this flow" in line:
                print(line)
        return found, len(find_runs(Path(folder)))


def main() -> int:
    """Run the suite twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="a checkout of Metaflow's repository")
    parser.add_argument("--tests", default="", help="only these tests, by the names of their classes")
    parser.add_argument("--graphs", default="", help="only these graphs")
    parser.add_argument("--contexts", default="python3-all-local", help="the suite's context")
    # Its other executor, "api", raises a NameError of the suite's own in versions of 2026.
    parser.add_argument("--executors", default="cli", help="how the suite starts flows: cli, api")
    parser.add_argument("--parallel", type=int, default=2, help="how many flows run at once")
    options = parser.parse_args()
    places = [Path(options.folder or "."), Path(options.folder or ".", "test", "core")]
    suite = next((place for place in places if (place / "run_tests.py").exists()), None)
    if not options.folder or suite is None:
        print("skipped: give the folder of a checkout of Metaflow's repository; nothing is fetched")
        return 0
    plain, _ = verdicts(suite, options)
    tracked, runs = verdicts(suite, options, METAFLOW_DEFAULT_DECOSPECS=WITH)
    different = sorted(name for name in plain.keys() | tracked.keys() if plain.get(name) != tracked.get(name))
    for name in different:
        print(f"DIFFERS {name}: {plain.get(name)} without tracking, {tracked.get(name)} with it")
    same = len(plain) - len(different)
    succeeded = sum(verdict == "success" for verdict in plain.values())
    print(f"{same} of {len(plain)} verdicts are the same ({succeeded} success untracked); {runs} runs were tracked")
    return 1 if different or not plain or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
