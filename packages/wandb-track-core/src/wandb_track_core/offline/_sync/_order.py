"""Which runs have to be synced before which."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

from wandb_track_core.offline._graph import Name, consumed, produced
from wandb_track_core.offline._runs import OfflineRun

_SHORTEST = 0.001
"""Seconds that a run takes at least; the client keeps whole ones."""


def levels(runs: list[OfflineRun]) -> list[list[OfflineRun]]:
    """Sort runs so that all that a run needs is in an earlier level.

    A run needs those that produced what it consumed; and, so that versions get the numbers that they would have got
    online, those that produced artifacts of the same names and were over before it started.
    """
    needs = _needs(runs)
    while True:
        sorter = TopologicalSorter(needs)
        try:
            sorter.prepare()
            break
        except CycleError as error:
            # Clocks that differ between machines can make a circle, which the earliest run then opens.
            circle = error.args[1]
            needs[min(circle, key=lambda number: _started(runs[number]))].difference_update(circle)
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        found.append([runs[number] for number in sorted(ready)])
        sorter.done(*ready)
    return found


def _needs(runs: list[OfflineRun]) -> dict[int, set[int]]:
    makers: dict[Name, list[int]] = defaultdict(list)
    versions: dict[tuple[Name, str], list[int]] = defaultdict(list)
    for number, run in enumerate(runs):
        for name, aliases in produced(run).items():
            makers[name].append(number)
            for alias in aliases:
                versions[name, alias].append(number)
    needs: dict[int, set[int]] = {number: set() for number in range(len(runs))}
    for number, run in enumerate(runs):
        for edge in consumed(run):
            needs[number].update(maker for maker in versions[edge] if maker != number)
    for numbers in makers.values():
        _add_predecessors(runs, numbers, needs)
    return needs


def _add_predecessors(runs: list[OfflineRun], numbers: list[int], needs: dict[int, set[int]]) -> None:
    """Let each run of one artifact's makers need those just before it: the ones before these follow from that."""
    by_end = sorted(numbers, key=lambda number: _ended(runs[number]))
    ends = [_ended(runs[number]) for number in by_end]
    latest_start = float("-inf")
    starts = [latest_start := max(latest_start, _started(runs[number])) for number in by_end]
    for number in numbers:
        over = bisect_right(ends, _started(runs[number]))
        first = bisect_right(ends, starts[over - 1]) if over else 0
        needs[number].update(other for other in by_end[first:over] if other != number)


def _started(run: OfflineRun) -> float:
    return run.fragments[0].started


def _ended(run: OfflineRun) -> float:
    """When the last fragment was closed, at the earliest; infinite where it never was."""
    last = run.fragments[-1]
    return float("inf") if last.runtime is None else last.started + max(last.runtime, _SHORTEST)
