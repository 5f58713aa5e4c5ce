"""Which runs belong together, and which have to be synced before which."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace

from wandb_track_core.offline import Run

_SHORTEST = 0.001
"""Seconds that a run takes at least; the client keeps whole ones."""

NO_PROJECT = "uncategorized"
"""The project of runs that name none, as the client and the server call it."""

Name = tuple[str, str, str]
"""Entity, project and name of an artifact."""


@dataclass
class Unit:
    """A run with all its fragments (an offline run that was resumed lies in several folders), the earliest first.

    Attributes:
        entity: "" for that of whoever syncs.
    """

    entity: str
    project: str
    id: str
    fragments: list[Run] = field(default_factory=list)

    @property
    def started(self) -> float:
        """When the first fragment started, in seconds since 1970."""
        return self.fragments[0].started

    @property
    def ended(self) -> float:
        """When the last fragment was closed, at the earliest; infinite where it never was."""
        last = self.fragments[-1]
        return float("inf") if last.runtime is None else last.started + max(last.runtime, _SHORTEST)

    @property
    def path(self) -> str:
        """As people name it."""
        return "/".join(part for part in (self.entity, self.project, self.id) if part)

    @property
    def is_closed(self) -> bool:
        """Whether the run came to its end; otherwise its process was killed, or still writes."""
        return self.fragments[-1].exit_code is not None

    def made(self) -> dict[Name, set[str]]:
        """The artifacts that it logged, with the aliases and digests that name exactly these versions."""
        names: dict[Name, set[str]] = defaultdict(set)
        for run in self.fragments:
            for artifact in run.artifacts:
                names[self.entity, self.project, artifact.name].update([*artifact.aliases, artifact.digest])
        return names

    def used(self) -> list[tuple[Name, str]]:
        """The artifacts that it used, by name and alias."""
        edges: dict[tuple[Name, str], None] = {}
        for run in self.fragments:
            for edge in run.inputs:
                *place, name = str(edge["name"]).split("/")
                entity, project = [self.entity, self.project][: 2 - len(place)] + place[-2:]
                edges[(entity, project, name), str(edge["alias"])] = None
        return list(edges)


def group(runs: list[Run], entity: str = "", project: str = "") -> list[Unit]:
    """Put the fragments of each run together.

    Args:
        runs: The earliest first.
        entity: Of runs that name none.
        project: Of runs that name none, for which the client writes its own default.
    """
    units: dict[Name, Unit] = {}
    for run in runs:
        named = "" if run.project == NO_PROJECT else run.project
        key = run.entity or entity, named or project or NO_PROJECT, run.id
        units.setdefault(key, Unit(*key)).fragments.append(replace(run, entity=key[0], project=key[1]))
    return list(units.values())


def levels(units: list[Unit]) -> list[list[Unit]]:
    """Sort runs so that all that a run needs stands in an earlier level.

    A run needs those that made what it used; and, so that versions get the numbers that they would have got
    online, those that made artifacts of the same names and were over before it started.
    """
    needs = _needs(units)
    waiting = {number: len(before) for number, before in enumerate(needs)}
    after: dict[int, list[int]] = defaultdict(list)
    for number, before in enumerate(needs):
        for other in before:
            after[other].append(number)
    sorted_levels = []
    while waiting:
        ready = [number for number, count in waiting.items() if count <= 0]
        # Clocks that differ between machines can make a circle, which the earliest run then opens.
        level = ready or [min(waiting, key=lambda number: units[number].started)]
        for number in level:
            del waiting[number]
        for number in level:
            for later in after[number]:
                if later in waiting:
                    waiting[later] -= 1
        sorted_levels.append([units[number] for number in level])
    return sorted_levels


def _needs(units: list[Unit]) -> list[set[int]]:
    makers: dict[Name, list[int]] = defaultdict(list)
    versions: dict[tuple[Name, str], list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        for name, aliases in unit.made().items():
            makers[name].append(number)
            for alias in aliases:
                versions[name, alias].append(number)
    needs: list[set[int]] = [set() for _ in units]
    for number, unit in enumerate(units):
        for edge in unit.used():
            needs[number].update(maker for maker in versions[edge] if maker != number)
    for numbers in makers.values():
        _add_predecessors(units, numbers, needs)
    return needs


def _add_predecessors(units: list[Unit], numbers: list[int], needs: list[set[int]]) -> None:
    """Let each run of one artifact's makers need those just before it: the ones before these follow from that."""
    by_end = sorted(numbers, key=lambda number: units[number].ended)
    ends = [units[number].ended for number in by_end]
    latest_start = float("-inf")
    starts = [latest_start := max(latest_start, units[number].started) for number in by_end]
    for number in numbers:
        over = bisect_right(ends, units[number].started)
        first = bisect_right(ends, starts[over - 1]) if over else 0
        needs[number].update(other for other in by_end[first:over] if other != number)
