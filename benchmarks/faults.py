# /// script
# dependencies = ["wandb-track-core"]
# [tool.nox]
# arguments = ["--write", "docs/faults.md"]
# ///
"""What becomes of a task when the tracker, its process or its disk fails: each fault on a real run, as a table.

    python benchmarks/faults.py [--write FILE] [--only TEXT]

Every row is a task in a process of its own, with the timeouts that users have by default. It is hurt as the row says,
and what came of it is read back: the user's result, both exit codes, what was kept, what was said, and how much
longer it took than the same task unhurt. The exit status is 1 where a user's result depended on the tracker.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, valid_key
from wandb_track_testing.standin import StandIn
from wandb_track_testing.standin._faults import NO_SUCH_HOST, black_hole, refused, tls_garbage

AT_ONCE = 3
NAME_SERVER = re.compile(r" on [\d.]+:53\b")
"""The address of the name server of the machine that this runs on, which is nobody else's concern."""
TASK = """
import os, signal, sys, time
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_testing.hurt import service
def reach(place):
    print(place, flush=True)
    sys.stdin.readline()
identity = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
reach("start")
with TrackedRun(identity, project="p", entity="acme", **ARGUMENTS) as run:
    run.log({"loss": 1.0})
    reach("opened")
    run.log({"loss": 0.5})
    if UPLOAD:
        import wandb
        artifact = wandb.Artifact("data", type="dataset")
        with artifact.new_file("data.txt") as file:
            file.write("important")
        run.log_artifact(artifact)
    time.sleep(PAUSE)
    HURT
    run.log({"loss": 0.2})
    reach("before the end")
print("result 42", flush=True)
"""


class Row(NamedTuple):
    """One fault.

    Attributes:
        group: Which part of the table.
        fault: What fails, and when.
        place: Before which point of the task the fault begins.
        begin: Makes it begin; it is given the server and the task's process.
        url: The server's address, where it is not the stand-in's.
        hurt: What the task does to itself.
        pause: Seconds that it sleeps before; they are not counted as added.
        uploads: Whether the task logs an artifact.
        arguments: Of the tracked run.
        raises: Whether the user's code is meant not to succeed.
    """

    group: str
    fault: str
    place: str = "start"
    begin: Callable[[StandIn, subprocess.Popen[str]], object] = lambda server, process: None
    url: Callable[[], contextlib.AbstractContextManager[str]] | None = None
    hurt: str = "pass"
    pause: float = 0.0
    uploads: bool = False
    arguments: str = "{}"
    raises: bool = False


class Outcome(NamedTuple):
    """What came of a task: the table's columns."""

    result: str
    exit_code: str
    run_exit_code: str
    kept: str
    said: str
    seconds: float


PLACES = {"opening": "start", "mid-run": "start", "upload": "opened", "finish": "before the end"}
"""Where a fault begins. The client's first message of a run's rows is sent within a second, the next after 15 s."""
STATUS = {
    401: "401",
    403: "403",
    404: "404",
    409: "409",
    429: "429",
    500: "500",
    503: "503",
    "garbage": "answers garbage",
    "hang": "black hole",
    "close": "cuts the connection",
}


def server_rows() -> Iterator[Row]:
    """The server fails, in each of its ways, at each point of a run."""
    for fault, url in {
        "refused": lambda: contextlib.nullcontext(refused()),
        "black hole": black_hole,
        "no such host": lambda: contextlib.nullcontext(NO_SUCH_HOST),
        "TLS failure": lambda: _as_https(tls_garbage()),
    }.items():
        yield Row("Server", f"{fault}, at opening", url=url)
    for phase, place in PLACES.items():
        for kind, name in STATUS.items():
            if phase == "opening" and kind == "hang":
                continue
            yield Row(
                "Server",
                f"{name}, at {phase}",
                place,
                lambda server, process, phase=phase, kind=kind: server.fault(phase, kind),
                pause=2 if phase == "mid-run" else 0,
                uploads=phase == "upload",
                raises=phase == "opening" and kind in (401, 403, 404),
            )
        yield Row(
            "Server",
            f"answers after 30 s, at {phase}",
            place,
            lambda server, process, phase=phase: server.fault(phase, None, delay=30),
            pause=2 if phase == "mid-run" else 0,
            uploads=phase == "upload",
        )
    yield Row("Server", "gone, in mid-run", "opened", lambda server, process: server.stop())
    yield Row("Server", "gone, at the end", "before the end", lambda server, process: server.stop())
    yield Row("Server", "gone for 3 s in mid-run, and back", "opened", lambda server, process: _blink(server))


def process_rows() -> Iterator[Row]:
    """The task's own process ends in some way, or the service's."""
    yield Row("Process", "exception", hurt="raise ValueError('broken')", raises=True)
    yield Row("Process", "sys.exit(0)", hurt="sys.exit(0)", raises=True)
    yield Row("Process", "sys.exit(3)", hurt="sys.exit(3)", raises=True)
    yield Row("Process", "KeyboardInterrupt", hurt="raise KeyboardInterrupt", raises=True)
    yield Row("Process", "SIGTERM", "before the end", _send(signal.SIGTERM), pause=1, raises=True)
    yield Row(
        "Process", "SIGKILL, as when out of memory", "before the end", _send(signal.SIGKILL), pause=1, raises=True
    )
    yield Row("Process", "os._exit(5)", hurt="os._exit(5)", pause=1, raises=True)
    yield Row("Process", "MemoryError", hurt="raise MemoryError", raises=True)
    kill = "os.kill(service().pid, signal.SIGKILL); time.sleep(0.3)"
    yield Row("Process", "service killed in mid-run", hurt=kill, pause=1)
    yield Row("Process", "service killed in mid-run, offline", hurt=kill, pause=1, arguments="{'mode': 'offline'}")
    yield Row(
        "Process", 'service killed in mid-run, on_error="warn"', hurt=kill, pause=1, arguments="{'on_error': 'warn'}"
    )
    yield Row("Process", "service killed in mid-upload", hurt=kill, pause=1, uploads=True)
    yield Row("Process", "service hangs at the end", hurt="os.kill(service().pid, signal.SIGSTOP)", pause=1)
    yield Row("Process", "the user's code finishes the run", hurt="run.finish(); run.log = lambda *args: None")


def disk_rows() -> Iterator[Row]:
    """The folder of the runs fails."""
    remove = "os.system(f'rm -rf {os.path.dirname(run.dir)}')"
    offline = "{'mode': 'offline'}"
    yield Row("Disk", "run folder removed in mid-run", hurt=remove, arguments=offline)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"
    fill = f"{limit}; [run.log({{'text': 'x' * 1000}}) for _ in range(100)]; time.sleep(1)"
    ignore = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    full = f"{ignore}; os.system(f'prlimit --pid {{service().pid}} --fsize=8192'); {fill}"
    yield Row("Disk", "full in mid-run (file size limit)", hurt=full, arguments=offline)
    yield Row("Disk", "run folder is no folder", arguments="{'dir': __file__, 'mode': 'offline'}")


def perform(row: Row) -> Outcome:
    """Run a task, hurt it as the row says, and read back what came of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        StandIn() as server,
        row.url() if row.url else contextlib.nullcontext(server.url) as url,
    ):
        script = Path(folder, "task.py")
        code = (
            TASK.replace("ARGUMENTS", row.arguments)
            .replace("UPLOAD", str(row.uploads))
            .replace("PAUSE", str(row.pause))
        )
        script.write_text(code.replace("HURT", row.hurt))
        own = {"WANDB_BASE_URL": url, "WANDB_API_KEY": valid_key, "TMPDIR": folder, "WANDB_SILENT": None}
        env = isolated_env(Path(folder), WANDB_MODE="online", **own)
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env=env,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
        reader.start()
        lines = []
        for line in process.stdout or ():
            lines.append(line.strip())
            if line.strip() == row.place:
                row.begin(server, process)
            with contextlib.suppress(OSError):
                process.stdin.write("\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
        code_of_process = process.wait()
        seconds = time.monotonic() - start
        reader.join()
        server.clear_faults()
        return Outcome(
            "42" if "result 42" in lines else "as the user's code ended" if row.raises else "LOST",
            str(code_of_process),
            *_kept(Path(folder), server),
            _said(errors).replace(folder, "…"),
            seconds - row.pause,
        )


def _said(errors: list[str]) -> str:
    """Our lines; where there are none, the client's warning, or the last line of a traceback."""
    ours = [line.removeprefix("wandb-track: ").strip() for line in errors if line.startswith("wandb-track:")]
    warnings = [line.partition("WARNING ")[2].strip() for line in errors if "WARNING " in line]
    raised = [line.strip() for line in errors if re.match(r"[\w.]*Error\b", line)]
    return NAME_SERVER.sub(" on the name server", " ".join(ours or warnings[-1:] or raised[-1:]))


def _kept(folder: Path, server: StandIn) -> tuple[str, str]:
    """The run's exit code, and how many of the 3 logged rows are kept, and where."""
    held = [run for run in server.runs.values() if run.history]
    on_disk = [run for run in find_runs(folder) if run.values("loss")]
    # A run whose service died lies in two folders; the last one holds its end.
    codes = {run.exit_code for run in held} or {run.exit_code for run in on_disk[-1:]}
    places = []
    if held:
        places.append(f"server: {max(len(run.history) for run in held)} rows")
    if on_disk:
        places.append(f"disk: {sum(len(run.values('loss')) for run in on_disk)} rows")
    return ", ".join(sorted(str(code) for code in codes)) or "none", "; ".join(places) or "nothing"


@contextlib.contextmanager
def _as_https(place: contextlib.AbstractContextManager[str]) -> Iterator[str]:
    with place as url:
        yield url.replace("http:", "https:")


def _blink(server: StandIn) -> None:
    server.stop()
    threading.Timer(3, server.restart).start()


def _send(number: signal.Signals) -> Callable[[StandIn, subprocess.Popen[str]], None]:
    return lambda server, process: os.kill(process.pid, number)


def table(rows: list[tuple[Row, Outcome]], unhurt: float) -> Iterator[str]:
    """The outcomes as Markdown."""
    group = ""
    for row, outcome in rows:
        if row.group != group:
            group = row.group
            yield f"\n## {group}\n"
            yield "| fault | user's result | process ends with | run's exit code | kept | said | seconds added |"
            yield "|---|---|---|---|---|---|---|"
        said = outcome.said.replace("|", "/")
        cells = (row.fault, outcome.result, outcome.exit_code, outcome.run_exit_code, outcome.kept, said)
        yield f"| {' | '.join(cells)} | {max(0.0, outcome.seconds - unhurt):.1f} |"


def main() -> int:
    """Perform all rows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="a Markdown file whose table is to be replaced")
    parser.add_argument("--only", default="", help="only rows with this text in them")
    options = parser.parse_args()
    rows = [
        row for row in (*server_rows(), *process_rows(), *disk_rows()) if options.only in f"{row.group} {row.fault}"
    ]
    unhurt = min(perform(Row("", "unhurt")).seconds for _ in range(2))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(zip(rows, pool.map(perform, rows), strict=True))
    lines = [f"A task that nothing happens to takes {unhurt:.1f} s here.", *table(outcomes, unhurt)]
    print("\n".join(lines))
    if options.write:
        head = options.write.read_text().partition("<!-- table -->")[0]
        options.write.write_text(f"{head}<!-- table -->\n" + "\n".join(lines) + "\n")
    lost = [row.fault for row, outcome in outcomes if outcome.result == "LOST"]
    print(f"\n{len(rows)} faults; the user's result was lost in {len(lost)}: {', '.join(lost) or 'none'}")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
