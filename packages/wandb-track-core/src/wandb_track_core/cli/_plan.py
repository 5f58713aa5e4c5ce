"""What a sync is to do, and the marks by which the next one knows what was done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb_track_core.offline import Run, find

from ._files import missing
from ._order import Name, Unit, group, levels

FORMAT = 1
_EMPTY = (
    "its log holds no run. Where its process was killed before the client wrote anything, or has only just started, "
    "nothing is lost: delete the folder, or sync later"
)


@dataclass
class Plan:
    """What a sync is to do.

    Attributes:
        levels: Runs to sync, in order; those of a level at once.
        already: Runs that are on the server.
        incomplete: Runs of which something is missing or damaged, with what it is.
        unreadable: What holds no run that could be read, with the reason.
    """

    levels: list[list[Unit]]
    already: list[Unit] = field(default_factory=list)
    incomplete: list[tuple[Unit, list[str]]] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)

    def makes(self) -> set[tuple[Name, str]]:
        """The versions of artifacts, by name and alias, that the runs to sync bring to the server."""
        units = [unit for level in self.levels for unit in level]
        return {(name, alias) for unit in units for name, aliases in unit.made().items() for alias in aliases}


def plan(paths: Iterable[str | Path], *, entity: str = "", project: str = "", url: str | None = None) -> Plan:
    """Find the runs below the paths and check that their files are there, without changing anything.

    Args:
        paths: As `find` takes them.
        entity: Of runs that name none.
        project: Of runs that name none.
        url: The server; None counts a run as synced whatever the server was.
    """
    found = Plan([])
    todo = []
    runs = find(paths)
    for run in runs:
        if not run.is_begun:
            found.unreadable.append((run.place, "; ".join(run.faults) or _EMPTY))
    for unit in group([run for run in runs if run.is_begun], entity, project):
        if is_synced(unit, url) and not any(mark_of(run, url).get("unlinked") for run in unit.fragments):
            found.already.append(unit)
            continue
        todo.append(unit)
        if not is_uploaded(unit, url) and (lines := [*missing(unit)]):
            found.incomplete.append((unit, lines))
    found.levels = levels(todo)
    return found


def is_synced(unit: Unit, url: str | None = None) -> bool:
    """Whether all that a run's folders hold was seen on the server by a sync."""
    return all(mark_of(run, url).get("complete") for run in unit.fragments)


def is_uploaded(unit: Unit, url: str | None = None) -> bool:
    """Whether all but the edges was."""
    return all(mark_of(run, url) for run in unit.fragments)


def mark_of(run: Run, url: str | None) -> dict[str, Any]:
    """What a sync to this server noted beside a fragment; empty where that has been written to since."""
    try:
        mark: dict[str, Any] = json.loads(run.marker.read_text())
    except (OSError, ValueError):
        return {}
    is_of_now = mark.get("format") == FORMAT and mark.get("log_size") == run.log_size
    return mark if is_of_now and url in (None, mark["url"]) else {}


def write_mark(unit: Unit, url: str, *, complete: bool, unlinked: list[str] | None = None) -> None:
    """Note that a run is on the server.

    Args:
        unit: The run.
        url: The server.
        complete: Whether its edges are, too.
        unlinked: Versions that it used and that the server does not know; they are looked for again.
    """
    for run in unit.fragments:
        mark = {
            "format": FORMAT,
            "complete": complete,
            "url": url,
            "run": unit.path,
            "log_size": run.log_size,
            "unlinked": unlinked or [],
        }
        partial = run.marker.with_name(f"{run.marker.name}.{os.getpid()}")
        partial.write_text(json.dumps(mark) + "\n")
        partial.replace(run.marker)
        if complete and unit.is_closed and not run.is_packed:
            # By this the client's own sync knows.
            (run.place / f"{run.log}.synced").touch()
