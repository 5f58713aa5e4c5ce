# /// script
# dependencies = ["wandb-track-flyte", "wandb-track-metaflow"]
# [tool.nox]
# arguments = ["--write", "benchmarks/RESULTS.md"]
# ///
"""What tracking costs for each task, artifact and value where there are many: it must not grow with their number.

    python benchmarks/width.py [--only TEXT] [--write FILE]

Tracked and untracked run in turn, once for each width. The overhead for each item is what the tracked one takes beyond
the untracked one, and beyond what the smallest width costs in any case where items share one run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wandb_track_testing.plugin import isolated_env

TASKS = Path(__file__).parent / "tasks"
VARIANTS = ("untracked", "wandb-track")
GROWTH = 1.5
"""How much more an item may cost at the largest width than at the middle one: above what repeated runs differ by."""

NOISE = 1.0
"""Seconds by which repeated runs of a flow differ: what lies below is not told from nothing."""

JOIN = """
from metaflow import Flow, namespace
namespace(None)
task = Flow("ForeachFlow").latest_run["join"].task
print((task.finished_at - task.created_at).total_seconds())
"""


class Case(NamedTuple):
    """One kind of width.

    Attributes:
        name: What there is many of.
        widths: How many, the smallest first.
        measure: Runs a variant at a width; returns its seconds.
        is_shared: Whether the items share a run, whose own cost is the smallest width's.
    """

    name: str
    widths: tuple[int, ...]
    measure: Callable[[str, int], float]
    is_shared: bool


def flow(kind: str, variant: str, width: int, script: str = "print(0)") -> tuple[float, float]:
    """Run a flow; returns its seconds, and what a script that looks at it afterwards prints."""
    with tempfile.TemporaryDirectory() as folder:
        env = isolated_env(Path(folder), VARIANT=variant, WIDTH=str(width), KIND=kind)
        limits = ["--max-workers", "2", "--max-num-splits", "1000"]
        command = [sys.executable, str(TASKS / "wide_flow.py"), "--quiet", "run", *limits]
        start = time.perf_counter()
        subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        shown = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True)
        return seconds, float(shown.stdout.split()[-1])


@cache
def foreach(variant: str, width: int) -> tuple[float, float]:
    """Run a foreach and its join; returns the seconds of the flow, and those of the join's task alone."""
    return flow("foreach", variant, width, JOIN)


def mapped(variant: str, width: int) -> float:
    """Run a Flyte map task in one process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TASKS / "wide_map.py"), str(width)]
        env = isolated_env(Path(folder), VARIANT=variant)
        done = subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True, text=True)
        return float(done.stdout.split()[-1])


def cases() -> Iterator[Case]:
    """All cases, in the order of the table."""
    many = (10, 50, 200)
    yield Case("tasks of a Metaflow foreach", many, lambda variant, width: foreach(variant, width)[0], False)
    yield Case("branches of a Metaflow join", many, lambda variant, width: foreach(variant, width)[1], True)
    yield Case("items of a Flyte map task", many, mapped, False)
    yield Case(
        "artifacts of a Metaflow step",
        (1, 100, 1000),
        lambda variant, width: flow("artifacts", variant, width)[0],
        True,
    )
    yield Case(
        "summary values of a Metaflow step",
        (1, 10, 1000),
        lambda variant, width: flow("summary", variant, width)[0],
        True,
    )


def lines(case: Case) -> Iterator[str]:
    """Measure one case; its part of the table."""
    yield f"\n### {case.name[0].upper()}{case.name[1:]}\n"
    yield "| number | untracked | wandb-track | overhead | for each |"
    yield "|---|---|---|---|---|"
    fixed, costs = 0.0, []
    for width in case.widths:
        untracked, tracked = (case.measure(variant, width) for variant in VARIANTS)
        overhead = tracked - untracked
        if case.is_shared and width == case.widths[0]:
            fixed = overhead
            each = ""
        else:
            costs.append((overhead - fixed) / width)
            each = f"{costs[-1] * 1000:.1f} ms"
        yield f"| {width} | {untracked:.2f} s | {tracked:.2f} s | {overhead:.2f} s | {each} |"
    before, last = costs[-2:]
    grown = last > max(before, NOISE / case.widths[-2]) * GROWTH
    yield f"\nFor each, {'MORE' if grown else 'not more'} at {case.widths[-1]} than at {case.widths[-2]}."


def main() -> int:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only cases with this text in their name")
    parser.add_argument("--write", type=Path, help="a Markdown file whose part about width is to be replaced")
    options = parser.parse_args()
    table = []
    for case in cases():
        if options.only in case.name:
            for line in lines(case):
                table.append(line)
                print(line, flush=True)
    if options.write:
        before, mark, rest = options.write.read_text().partition("<!-- width -->")
        after = rest.partition("<!-- end of width -->")
        options.write.write_text(f"{before}{mark}\n" + "\n".join(table) + "\n\n" + "".join(after[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
