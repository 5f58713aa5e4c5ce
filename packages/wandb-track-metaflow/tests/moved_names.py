# /// script
# dependencies = ["wandb-track-metaflow", "scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"]
# ///
"""With each of Metaflow's names moved that it does not document, one at a time, flows end well and are tracked still.

    python packages/wandb-track-metaflow/tests/moved_names.py [NAME ...]

For each name of `wandb_track_metaflow._metaflow_internals.NAMES`, Metaflow is copied, the name is another one in the
copy, and a small flow runs with it. It must keep its result, and be tracked or say in one line what is off. Prints a
table, and exits with 1 where one fails.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import metaflow
from wandb_track_metaflow._metaflow_internals import NAMES
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env

FLOW = Path(__file__).parent / "flows" / "spun.py"
COMMON = {"items": (r"(def |_datastore\.)items\b", "datastore/*.py", "flowspec.py")}
"""Names that other things have, too: a pattern of their use, and the files in which it is looked for."""


def move(package: Path, name: str) -> int:
    """Rename a name in a copy of Metaflow; returns how many files had it."""
    pattern, *places = COMMON.get(name, (rf"()\b{name}\b", "**/*.py"))
    changed = 0
    for path in [path for place in places for path in package.glob(place)]:
        text = path.read_text(errors="surrogateescape")
        moved = re.sub(pattern, rf"\g<1>{name}_moved", text)
        if moved != text:
            path.write_text(moved, errors="surrogateescape")
            changed += 1
    return changed


def outcome(name: str) -> tuple[bool, str]:
    """Run the flow with one name moved; whether that is as it must be, and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy", "metaflow")
        shutil.copytree(Path(metaflow.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if not move(copy, name):
            return False, "this Metaflow has no such name"
        env = isolated_env(Path(folder), PYTHONPATH=str(copy.parent), WANDB_TRACK_STORE="always")
        command = [sys.executable, str(FLOW), "--no-pylint", "run"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
        output = done.stdout + done.stderr
        runs = find_runs(Path(folder))
        lines = [line.partition("wandb-track: ")[2] for line in output.splitlines() if "wandb-track: " in line]
        off = [line for line in lines if "off in this flow" in line or "itself failed" in line or "only" in line]
        ends_well = done.returncode == 0 and "SPUN 3" in output
        is_tracked = len(runs) == 3 and all(run.exit_code == 0 for run in runs)
        if not ends_well:
            return False, f"the flow failed: {output[-1500:]}"
        return is_tracked or bool(off), f"{len(runs)} runs; {off[0] if off else 'nothing is lost'}"


def main() -> int:
    """Move one after the other."""
    failed = 0
    for name in sys.argv[1:] or NAMES:
        is_well, text = outcome(name)
        failed += not is_well
        print(f"{'ok' if is_well else 'FAILED':7} {name}: {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
