# /// script
# dependencies = ["wandb-track-core"]
# ///
"""A thousand tasks in one process, and a thousand processes over one service, one in ten of them hurt.

    python benchmarks/soak.py [--tasks 1000] [--processes 1000]

Afterwards nothing may be left over: no process, thread, file descriptor or temporary file; memory is flat; and every
run is accounted for, with the exit code that its task ended with. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env

FAULTS = {
    "exception": ("raise ValueError('broken')", 1),
    "exit": ("raise SystemExit(3)", 3),
    "interrupt": ("raise KeyboardInterrupt", 130),
    "finished by itself": ("run.finish()", 0),
    "none": ("pass", 0),
}
WARM_UP = 100
MONITOR = "wandb_symon-"
"""A socket that the client's own monitor of the machine leaves behind when a run is short, also without wandb-track: of
1,000 plain offline runs of wandb 0.31.0, with requirements, git and console switched off, 644 left one for good."""
CHILD = """
import os, sys
from wandb_track_core import TaskIdentity, TrackedRun
identity = TaskIdentity("soak", "task", key=("process", sys.argv[1]))
with TrackedRun(identity, project="soak", mode="offline") as run:
    run.log({"number": int(sys.argv[1])})
    exec(sys.argv[2])
"""


def fault_of(number: int) -> tuple[str, int]:
    """What happens to the task of this number, and the exit code that its run is to have: every tenth is hurt."""
    names = [name for name in FAULTS if name != "none"]
    return FAULTS[names[number // 10 % len(names)] if number % 10 == 0 else "none"]


def held() -> Counter[str]:
    """What this process holds of the system, and what lies in its folder of temporary files."""
    gc.collect()
    places = list(Path(tempfile.gettempdir()).iterdir())
    status = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return Counter(
        threads=threading.active_count(),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        temporary_files=len([path for path in places if not path.name.startswith(MONITOR)]),
        sockets_of_the_clients_monitor=len([path for path in places if path.name.startswith(MONITOR)]),
        memory_mib=memory // 1024,
    )


def tasks(count: int) -> Counter[str]:
    """Run tasks one after the other in this process; returns what it holds more at the end than when warm."""
    warm = held()
    for number in range(count):
        try:
            identity = TaskIdentity("soak", "task", key=("task", str(number)))
            with TrackedRun(identity, project="soak", mode="offline") as run:
                run.log({"number": number})
                exec(fault_of(number)[0])
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            del error
        if number == WARM_UP:
            warm = held()
    after = held()
    return Counter({name: after[name] - warm[name] for name in after})


def processes(count: int, env: dict[str, str]) -> Counter[int]:
    """Run tasks in processes of their own, over this process's service; returns how often each exit status came."""

    def one(number: int) -> int:
        command = [sys.executable, "-c", CHILD, str(number), fault_of(number)[0]]
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Counter(pool.map(one, range(count)))


def accounted(folder: Path, kind: str, count: int) -> list[str]:
    """A line for each run that is missing, or that ended otherwise than its task."""
    runs = {run.id: run for run in find_runs(folder)}
    problems = []
    for number in range(count):
        run = runs.get(f"{kind}-{number}-0")
        if run is None or run.exit_code != fault_of(number)[1] or run.values("number") != [number]:
            problems.append(f"{kind} {number}: {'missing' if run is None else run.exit_code}")
    return problems


def main() -> int:
    """Run both parts, and say what was left over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--within", action="store_true", help="run the tasks in this process, and nothing else")
    options = parser.parse_args()
    if options.within:
        print(json.dumps(tasks(options.tasks)))
        return 0
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        temporary = folder / "tmp"
        temporary.mkdir()
        env = isolated_env(folder, TMPDIR=str(temporary))
        os.environ.clear()
        os.environ.update(env)
        tempfile.tempdir = str(temporary)

        start = time.monotonic()
        command = [sys.executable, __file__, "--within", "--tasks", str(options.tasks)]
        grown = json.loads(subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)
        print(f"{options.tasks} tasks in one process: {time.monotonic() - start:.0f} s; grown by {grown}")
        left = [path.name for path in temporary.iterdir()]
        problems += [f"{name} is left of the process" for name in left if not name.startswith(MONITOR)]
        problems += [
            f"{name} grew by {grown[name]}" for name in ("threads", "descriptors", "temporary_files") if grown[name] > 0
        ]
        if grown["memory_mib"] > 50:
            problems.append(f"memory grew by {grown['memory_mib']} MiB")

        os.chdir(folder)
        import wandb

        service = wandb.setup()
        start = time.monotonic()
        ends = processes(options.processes, dict(os.environ))
        print(
            f"{options.processes} processes over one service: {time.monotonic() - start:.0f} s; exit codes {dict(ends)}"
        )
        wandb.teardown()
        del service
        left = subprocess.run(
            ["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False
        ).stdout.split()
        left = [pid for pid in left if "wandb" in Path(f"/proc/{pid}/cmdline").read_text()] if left else []
        problems += [f"process {pid} is left" for pid in left]
        problems += accounted(folder, "task", options.tasks)
        problems += accounted(folder, "process", options.processes)
        os.chdir("/")
    print("\n".join(problems[:20]) or "nothing is left over, and every run is accounted for")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
