# /// script
# dependencies = ["wandb-track-core"]
# ///
"""What it costs to look at runs: a card or Deck of one run, and the report of a folder.

python benchmarks/look.py     prints a table; each line is measured in a process of its own
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

RUNS = 1000
LIMITS = {"card 10000": 0.15, "card 20000": 0.3, "report 100": 5.0}


def make(folder: Path, rows: int, copies: int) -> None:
    """Log a run of so many rows of three metrics with the real client, offline, and copy it under other names."""
    os.environ.update(WANDB_DIR=str(folder), WANDB_MODE="offline", WANDB_SILENT="true")
    from wandb_track_core import TaskIdentity, TrackedRun
    from wandb_track_core.adapters import run_folder

    identity = TaskIdentity("script", "train", key=("e1", "train"), execution="e1")
    with TrackedRun(identity, project="p", id="run-0000", config={"lr": 0.1}) as run:
        for step in range(rows):
            run.log({"loss": 1 / (step + 1), "accuracy": step % 977 / 977, "rate": 1e-3})
        made = run_folder(run)
    if copies > 1:
        from wandb_track_core.offline import _log

        (log,) = made.glob("*.wandb")
        records = list(_log.entries(log.read_bytes()))
        for number in range(1, copies):
            name = f"run-{number:04}"
            copy = made.with_name(f"offline-run-{number}-{name}")
            copy.mkdir()
            _log.write(copy / f"run-{name}.wandb", [each.replace(b"run-0000", name.encode()) for each in records])


def card(folder: Path) -> None:
    """Draw the run as a card is drawn: the client is loaded already, as in a task."""
    for name in ("wandb.proto.wandb_internal_pb2", "wandb_track_core.adapters"):
        import_module(name)
    (run,) = folder.glob("wandb/offline-run-*")
    began, began_cpu = time.perf_counter(), time.process_time()
    from wandb_track_core.offline import render_run

    render_run(run, is_closed=True)
    print(time.perf_counter() - began, time.process_time() - began_cpu)


def report(folder: Path) -> None:
    """Draw the report of a folder."""
    began, began_cpu = time.perf_counter(), time.process_time()
    from wandb_track_core.offline import find_runs, report

    (folder / "report.html").write_text(report(find_runs(folder)))
    print(time.perf_counter() - began, time.process_time() - began_cpu)


def main() -> None:
    """Print the table: the best of five."""
    print("| what | seconds | of the processor | limit | MB of memory |\n|---|---|---|---|---|")
    for what, limit in LIMITS.items():
        kind, rows = what.split()
        with tempfile.TemporaryDirectory() as folder:
            make_it = [sys.executable, __file__, "make", folder, rows, str(RUNS if kind == "report" else 1)]
            subprocess.run(make_it, check=True)
            command = [sys.executable, __file__, kind, folder]
            found = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(5)]
        seconds, cpu = (min(map(float, each)) for each in zip(*(line.split()[:2] for line in found), strict=True))
        memory = max(int(line.split()[2]) for line in found)
        name = f"{kind}, {rows} rows" + (f", {RUNS} runs" if kind == "report" else "")
        print(f"| {name} | {seconds:.2f} | {cpu:.2f} | {limit} | {memory} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        {"card": card, "report": report}[sys.argv[1]](Path(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
