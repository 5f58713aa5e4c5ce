# /// script
# dependencies = ["wandb-track-core"]
# ///
"""Time and memory of the sync's own part, and of `wandb-track runs`, over many offline runs.

    python benchmarks/sync_scale.py [RUNS] [EDGES] [ROWS]

At least 10 RUNS, and for each of them at most a tenth of RUNS as EDGES.

The runs are written as the client writes them, without the client: a thousand of them would take it minutes. Each
makes one artifact and uses as many earlier ones as give the number of edges. What is measured is all that the
command does beside the client's own upload: finding, reading, checking, sorting, and writing the logs to upload.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from wandb_track_core.offline import _log, _schema

START = 1_700_000_000
RUN = "import sys; from wandb_track_core.cli import main; sys.exit(main({}))"
PREPARE = """
import json, resource, sys, time
from pathlib import Path
begun = time.perf_counter()
from wandb_track_core.offline import find_fragments
from wandb_track_core.offline._graph import consumed
from wandb_track_core.offline._sync._rewrite import FROM_THE_BEGINNING, rewrite
from wandb_track_core.offline._sync._plan import plan
imported = time.perf_counter()
todo = plan(find_fragments([sys.argv[1]]))
planned = time.perf_counter()
for level in todo.levels:
    for unit in level:
        unit.entity = "e"
        rewrite(unit, Path(sys.argv[2], unit.id), FROM_THE_BEGINNING)
done = time.perf_counter()
edges = sum(len(consumed(unit)) for level in todo.levels for unit in level)
print(json.dumps({
    "runs": sum(map(len, todo.levels)), "edges": edges, "levels": len(todo.levels), "missing": len(todo.incomplete),
    "import_s": imported - begun, "plan_s": planned - imported, "rewrite_s": done - planned,
    "cpu_s": time.process_time(),
    "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def message(**parts: Any) -> bytes:
    """A record."""
    written: bytes = _schema.Record(**parts).SerializeToString()
    return written


def items(**values: object) -> list[bytes]:
    """Keys and values."""
    found = [_schema.Item(key=key, value_json=json.dumps(value)) for key, value in values.items()]
    return [item.SerializeToString() for item in found]


def write_run(root: Path, number: int, inputs: range, rows: int) -> None:
    """One offline run, as the client and the core leave it."""
    name = f"run{number}"
    folder = root / f"offline-run-{number}-{name}"
    data = folder / "wandb-track" / "artifacts" / "data" / "data.txt"
    data.parent.mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files" / "requirements.txt").write_text("wandb==0.31.0\n")
    data.write_text(name)
    run = {"run_id": name, "project": "p", "start_time": {"seconds": START + 10 * number}}
    entry = {"path": "data.txt", "digest": "bWQ1", "size": len(name), "local_path": str(data)}
    made = {"type": "dataset", "name": f"data{number}", "digest": f"digest{number}", "aliases": ["key"]}
    messages = [
        message(run={**run, "config": {"update": items(lr=0.1, number=number)}}),
        message(artifact={**made, "manifest": {"contents": [entry]}}),
    ]
    for step in range(rows):
        values = items(loss=1 / (step + 1), _step=step, _timestamp=START + step)
        change = _schema.Changes(update=values).SerializeToString()
        messages += [message(summary=change), message(history={"item": values, "step": {"num": step}})]
    messages.append(message(exit={"runtime": 5}))
    _log.write(folder / f"run-{name}.wandb", messages)
    edges = [{"format": 1, "edge": "input", "name": f"data{other}", "alias": "key"} for other in inputs]
    (folder / "wandb-track" / "lineage.jsonl").write_text("".join(json.dumps(edge) + "\n" for edge in edges))


def main(runs: int = 1000, edges: int = 10_000, rows: int = 100) -> None:
    """Write the runs and measure."""
    stage = runs // 10 or 1
    each, more = divmod(edges, runs - stage)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "wandb")
        for number in range(runs):
            # Ten stages of a flow: each but the first uses artifacts of the one before.
            begun = number // stage * stage
            inputs = each + (number - stage < more) if begun else 0
            write_run(root, number, range(begun - inputs, begun), rows)
        print(f"load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for command in (["runs"], ["runs", "--json"], ["lineage", "--mermaid"]):
            wall, cpu = min(seconds(RUN.format([*command, str(root)])) for _ in range(3))
            print(
                f"wandb-track {' '.join(command)}: {wall:.2f} s, of a CPU {cpu:.2f} s, the interpreter's start included"
            )
        target = Path(scratch, "sync")
        done = subprocess.run([sys.executable, "-c", PREPARE, root, target], capture_output=True, text=True, check=True)
        for name, value in json.loads(done.stdout).items():
            print(f"sync's own part, {name}: {value:.5g}")
    print(f"this script's own peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def seconds(code: str) -> tuple[float, float]:
    """How long a program takes, and how long it has a CPU."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
