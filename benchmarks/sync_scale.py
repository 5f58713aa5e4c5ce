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

from wandb_track_core import _log

START = 1_700_000_000
RUN = "import sys; from wandb_track_core.cli import main; sys.exit(main({}))"
PREPARE = """
import json, resource, sys, time
from pathlib import Path
begun = time.perf_counter()
from wandb_track_core.cli._rewrite import FROM_THE_BEGINNING, rewrite
from wandb_track_core.cli._plan import plan
imported = time.perf_counter()
todo = plan([sys.argv[1]])
planned = time.perf_counter()
for level in todo.levels:
    for unit in level:
        unit.entity = "e"
        rewrite(unit, Path(sys.argv[2], unit.id), FROM_THE_BEGINNING)
done = time.perf_counter()
edges = sum(len(unit.used()) for level in todo.levels for unit in level)
print(json.dumps({
    "runs": sum(map(len, todo.levels)), "edges": edges, "levels": len(todo.levels), "missing": len(todo.incomplete),
    "import_s": imported - begun, "plan_s": planned - imported, "rewrite_s": done - planned,
    "cpu_s": time.process_time(),
    "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def message(kind: int, *parts: _log.Field) -> bytes:
    """A record."""
    return _log.encode([_log.Field(kind, 2, _log.encode(parts))])


def item(key: str, value: object) -> _log.Field:
    """A key and a value."""
    return _log.Field(1, 2, _log.encode([_log.text_field(1, key), _log.text_field(16, json.dumps(value))]))


def write_run(root: Path, number: int, inputs: range, rows: int) -> None:
    """One offline run, as the client and the core leave it."""
    name = f"run{number}"
    folder = root / f"offline-run-{number}-{name}"
    data = folder / "wandb-track" / "artifacts" / "data" / "data.txt"
    data.parent.mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files" / "requirements.txt").write_text("wandb==0.31.0\n")
    data.write_text(name)
    start = _log.Field(17, 2, _log.encode([_log.Field(1, 0, START + 10 * number)]))
    config = _log.Field(4, 2, _log.encode([item("lr", 0.1), item("number", number)]))
    entry = [_log.text_field(1, "data.txt"), _log.text_field(2, "bWQ1"), _log.Field(4, 0, len(name))]
    contents = _log.Field(4, 2, _log.encode([*entry, _log.text_field(6, str(data))]))
    messages = [
        message(_log.RUN, _log.text_field(1, name), _log.text_field(3, "p"), config, start),
        message(
            _log.ARTIFACT,
            _log.text_field(4, "dataset"),
            _log.text_field(5, f"data{number}"),
            _log.text_field(6, f"digest{number}"),
            _log.text_field(11, "key"),
            _log.Field(12, 2, _log.encode([contents])),
        ),
    ]
    for step in range(rows):
        values = [item("loss", 1 / (step + 1)), item("_step", step), item("_timestamp", START + step)]
        messages += [message(_log.SUMMARY, *values), message(_log.HISTORY, *values)]
    messages.append(message(_log.EXIT, _log.Field(2, 0, 5)))
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
