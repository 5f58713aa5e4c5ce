# /// script
# dependencies = ["wandb-track-flyte", "wandb-track-metaflow", "scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"]
# ///
"""Train on real data with the orchestrators that are installed, offline, and show each run that was tracked.

python examples/demo.py [flyte] [metaflow]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from wandb_track_core import offline
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import OfflineRun, find_runs

HERE = Path(__file__).parent
COMMANDS = {
    "flyte": [
        str(Path(sys.executable).with_name("pyflyte")),
        "run",
        str(HERE / "flyte_train" / "workflow.py"),
        "training_workflow",
    ],
    "metaflow": [sys.executable, str(HERE / "metaflow_select" / "flow.py"), "run"],
}


def main(orchestrators: list[str]) -> None:
    """Run each orchestrator's example in a folder of its own, and print what was tracked there."""
    root = Path(os.environ.get("WANDB_DIR") or tempfile.mkdtemp(prefix="wandb-track-demo-"))
    for orchestrator in orchestrators:
        folder = root / orchestrator
        folder.mkdir(parents=True, exist_ok=True)
        print(f"\n=== {orchestrator}: {' '.join(COMMANDS[orchestrator])}", flush=True)
        environment = {
            **os.environ,
            "WANDB_MODE": os.environ.get("WANDB_MODE") or "offline",
            "WANDB_DIR": str(folder),
            "WANDB_SILENT": "true",
            "USERNAME": os.environ.get("USERNAME", "demo"),
        }
        subprocess.run(COMMANDS[orchestrator], cwd=folder, env=environment, check=True)
        runs = find_runs(folder)
        print(f"\n{len(runs)} tracked runs of {orchestrator}:")
        for run in runs:
            show(run)
    print(f"\nThe commands wandb and wandb-track are in {Path(sys.executable).parent}")
    page = root / "wandb-track-report.html"
    page.write_text(offline.report(offline.find_runs(root)))
    print(f"\nThe report of these runs, to be opened in a browser:\n{page}")


def show(run: OfflineRun) -> None:
    """Print one run, readable at a glance."""
    folder = run.path.parent
    state = {None: "running", 0: "finished"}.get(run.exit_code, f"failed, exit code {run.exit_code}")
    print(f"\n  {run.name or run.id}\n    id        {run.id}\n    state     {state}")
    for label, values in (("config", run.config), ("metrics", run.summary)):
        shown = {key: value for key, value in values.items() if not key.startswith("_")}
        print(f"    {label:<9} {shorten(json.dumps(shown, default=str))}")
    for edge in read_lineage(folder):
        version = edge.get("alias") or next((alias for alias in edge["aliases"] if alias != "latest"), edge["digest"])
        print(f"    {edge['edge']:<9} {edge['name']} ({edge.get('type', 'artifact')}) {version}")
    print(f"    path      {folder}")
    print(f"    look      wandb leet {folder}")
    print(f"    sync      wandb-track sync {folder}")


def shorten(text: str, limit: int = 160) -> str:
    """Cut a text to what fits beside its label."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in COMMANDS if find_spec(f"wandb_track_{name}")])
