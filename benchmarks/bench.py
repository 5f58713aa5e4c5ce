# /// script
# dependencies = [
#     "wandb-track-flyte",
#     "wandb-track-metaflow",
#     "flytekitplugins-wandb",
#     "scikit-learn>=1.3",
#     "pandas>=2.0",
#     "pyarrow>=14",
#     "fastcore",
# ]
# [tool.nox]
# arguments = ["--write", "benchmarks"]
# ///
"""What tracking costs, measured side by side: ours, the integrations of today, `wandb.init` by hand, and untracked.

    python benchmarks/bench.py [--quick] [--only TEXT] [--write FILE]

The variants of a case run in turn, so that a machine whose speed drifts hurts all alike; of each, the median and the
spread are taken. Overhead is what a variant takes beyond the untracked one. Ratios come first: the seconds are this
machine's own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from wandb_track_testing.plugin import isolated_env, valid_key
from wandb_track_testing.standin import StandIn

HERE = Path(__file__).parent
UNTRACKED, PEER, BY_HAND, OURS = "untracked", "peer", "by hand", "wandb-track"
FRAME_ROWS = 8 << 20
"""Of three columns of 8 bytes: 192 MiB."""
IMPORTS = {
    "wandb_track_core": (
        "import collections.abc, contextvars, json, pathlib, re, signal, threading, typing",
        "from wandb_track_core import TaskIdentity, TrackedRun",
    ),
    "wandb_track_serializers": (
        "import logging, platform, tempfile, wandb_track_core",
        "from wandb_track_serializers import from_artifact, to_artifact",
    ),
    "wandb_track_flyte": ("import flytekit", "from wandb_track_flyte import wandb_init"),
    "wandb_track_metaflow": ("import metaflow", "from wandb_track_metaflow import wandb_log"),
}
"""What lies below a package, which is the floor, and what users import of it."""
PEER_ROUNDS = 2
"""It takes longer than all others together, and its bound is not a close one."""


class Bound(NamedTuple):
    """A figure that a case is to keep: the ratio of our overhead to another variant's, at most `limit`."""

    against: str
    limit: float


class Case(NamedTuple):
    """One measurement.

    Attributes:
        name: What is measured.
        variants: What runs in turn, by name.
        measure: Runs one variant; returns its seconds.
        bounds: What our overhead is to keep.
        most: Seconds that ours may take at most beyond the first variant.
    """

    name: str
    variants: tuple[str, ...]
    measure: Callable[[str], float]
    bounds: tuple[Bound, ...]
    most: float | None = None


def timed(command: list[str], variant: str, **extra: str) -> float:
    """Run a command in an empty folder of its own; returns its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        env = isolated_env(Path(folder), VARIANT=variant, **extra)
        start = time.perf_counter()
        subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - start


def metaflow(variant: str, **extra: str) -> float:
    """A flow of three small steps."""
    return timed([sys.executable, str(HERE / "tasks" / "metaflow_flow.py"), "--quiet", "run"], variant, **extra)


def metaflow_frame(variant: str) -> float:
    """A flow of two steps and a large DataFrame. The peer cannot read one offline."""
    return timed([sys.executable, str(HERE / "tasks" / "metaflow_frame.py"), "--quiet", "run"], variant)


def metaflow_online(variant: str) -> float:
    """The same, against a server that takes 20 ms for each answer."""
    with StandIn(latency=0.02) as server:
        extra = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": valid_key}
        return metaflow(variant, **extra, WANDB_PROJECT="benchmark", WANDB_ENTITY="acme")


def flyte_alone(variant: str) -> float:
    """One task under `pyflyte run`."""
    pyflyte = str(Path(sys.executable).parent / "pyflyte")
    return timed([pyflyte, "run", str(HERE / "tasks" / "flyte_tasks.py"), "add", "--value", "1"], variant)


def flyte_later(variant: str) -> float:
    """The median of 19 tasks that follow a first one in the same process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(HERE / "tasks" / "flyte_tasks.py"), "20"],
            env=isolated_env(Path(folder), VARIANT=variant),
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return statistics.median([float(line) for line in done.stdout.split()[1:]])


def flyte_frame(variant: str) -> float:
    """One task under `pyflyte run` that returns a large DataFrame."""
    pyflyte = str(Path(sys.executable).parent / "pyflyte")
    tasks = str(HERE / "tasks" / "flyte_frame.py")
    return timed([pyflyte, "run", tasks, "make", "--rows", str(FRAME_ROWS)], variant)


def logging(variant: str) -> float:
    """20,000 calls of `wandb.log` in one run."""
    code = f"""
import time, wandb
from wandb_track_core import TaskIdentity, TrackedRun
def log():
    for number in range(20_000):
        wandb.log({{"value": number}})
def measure(log):
    start = time.perf_counter(); log(); print(time.perf_counter() - start)
if {variant == OURS}:
    with TrackedRun(TaskIdentity("chain", "t"), project="p", mode="offline"):
        measure(log)
else:
    run = wandb.init(project="p", mode="offline")
    measure(log)
    run.finish()
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=isolated_env(Path(folder)),
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return float(done.stdout.split()[-1])


def importing(variant: str) -> float:
    """Import what users import of a package, in a process that has imported what lies below it."""
    if variant not in IMPORTS:
        return 0.0
    below, ours = IMPORTS[variant]
    code = f"import time; {below}; start = time.perf_counter(); {ours}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def cases() -> Iterator[Case]:
    """All cases, in the order of the table."""
    all_variants = (UNTRACKED, PEER, BY_HAND, OURS)
    of_metaflow = (Bound(PEER, 0.2), Bound(BY_HAND, 0.45))
    yield Case("Metaflow, 3 small steps, offline", all_variants, metaflow, of_metaflow)
    yield Case(
        "Metaflow, 3 small steps that import torch and scikit-learn, offline",
        all_variants,
        lambda variant: metaflow(variant, HEAVY="1"),
        of_metaflow,
    )
    yield Case("Metaflow, 3 small steps, online, 20 ms", all_variants, metaflow_online, of_metaflow)
    yield Case(
        "Metaflow, a step that makes a DataFrame of 192 MiB and one that reads it, offline",
        (UNTRACKED, BY_HAND, "reference", "copy"),
        metaflow_frame,
        (Bound(BY_HAND, 0.3),),
    )
    yield Case("Flyte, one task under pyflyte run, offline", all_variants, flyte_alone, (Bound(BY_HAND, 1.0),))
    yield Case("Flyte, each later task of a process, offline", all_variants, flyte_later, (Bound(BY_HAND, 0.5),))
    yield Case(
        "Flyte, one task that returns a DataFrame of 192 MiB, offline",
        (UNTRACKED, BY_HAND, "copy", "reference"),
        flyte_frame,
        (),
    )
    yield Case("20,000 calls of wandb.log", (BY_HAND, OURS), logging, ())
    for module, base, most in (
        ("wandb_track_core", "its standard library", 0.015),
        ("wandb_track_serializers", "the core", 0.015),
        ("wandb_track_flyte", "flytekit", 0.03),
        ("wandb_track_metaflow", "metaflow", 0.03),
    ):
        yield Case(f"import {module}", (base, module), importing, (), most)


def run(case: Case, rounds: int) -> dict[str, list[float]]:
    """Measure the variants of a case in turn, after one round that does not count."""
    seconds: dict[str, list[float]] = {variant: [] for variant in case.variants}
    for number in range(rounds + 1):
        for variant in case.variants:
            if variant == PEER and number > PEER_ROUNDS:
                continue
            taken = case.measure(variant)
            if number:
                seconds[variant].append(taken)
    return seconds


def lines(case: Case, seconds: dict[str, list[float]]) -> Iterator[str]:
    """One case of the table."""
    base, ours = case.variants[0], case.variants[-1]
    medians = {variant: statistics.median(taken) for variant, taken in seconds.items()}
    yield f"\n### {case.name}\n"
    yield "| variant | median | spread | overhead | our overhead to it |"
    yield "|---|---|---|---|---|"
    for variant, taken in seconds.items():
        overhead = medians[variant] - medians[base]
        ratio = (medians[ours] - medians[base]) / overhead if variant not in (base, ours) and overhead > 0 else None
        bound = next((bound.limit for bound in case.bounds if bound.against == variant), None)
        verdict = "" if ratio is None else f"{ratio:.2f}"
        if ratio is not None and bound is not None:
            verdict += f" (at most {bound}: {'met' if ratio <= bound else 'MISSED'})"
        if variant == ours and case.most is not None:
            verdict = f"at most {case.most * 1000:.0f} ms beyond {base}: {'met' if overhead <= case.most else 'MISSED'}"
        unit = "ms" if medians[variant] < 1 else "s"
        scale = 1000 if unit == "ms" else 1
        spread = f"{min(taken) * scale:.3g} to {max(taken) * scale:.3g} {unit}"
        median, beyond = f"{medians[variant] * scale:.3g} {unit}", f"{overhead * scale:.3g} {unit}"
        yield f"| {variant} | {median} | {spread} | {beyond} | {verdict} |"


def main() -> int:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 5")
    parser.add_argument("--only", default="", help="only cases with this text in their name")
    parser.add_argument("--write", type=Path, help="a folder for RESULTS.md and results.json")
    options = parser.parse_args()
    results = {}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    table = [f"Measured on {machine}; {2 if options.quick else 5} rounds, {PEER_ROUNDS} of the peer's; medians."]
    for case in cases():
        if options.only in case.name:
            results[case.name] = run(case, 2 if options.quick else 5)
            table += lines(case, results[case.name])
            print("\n".join(lines(case, results[case.name])), flush=True)
    if options.write:
        (options.write / "results.json").write_text(
            json.dumps({"machine": machine, "seconds": results}, indent=1) + "\n"
        )
        head = (options.write / "RESULTS.md").read_text().partition("<!-- table -->")[0]
        (options.write / "RESULTS.md").write_text(f"{head}<!-- table -->\n" + "\n".join(table) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
