"""What a sync is to do, and the marks by which the next one knows what was done."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb_track_core.offline._fragments import Fragment
from wandb_track_core.offline._runs import NO_PROJECT, OfflineRun, group

from ._files import missing
from ._order import levels

FORMAT = 1
_EMPTY = (
    "its log holds no run. Where its process was killed before the client wrote anything, or has only just started, "
    "nothing is lost: delete the folder, or sync later"
)


@dataclass
class SyncReport:
    """The result of a sync, for each run.

    Attributes:
        levels: Runs to sync, in order; those of a level at once.
        synced: Runs that this sync uploaded completely.
        already: Runs that were on the server already.
        failed: Runs that could not be uploaded, with the reasons.
        incomplete: Runs with missing or damaged files, with what is missing or damaged. Nothing of them was uploaded.
        unreadable: Paths without a readable run, with the reason.
        kept: Runs that should have been deleted and were not, with the reason.
        unlinked: Runs that consumed artifacts that the server does not know, with the names. The next sync tries again.
        renamed: By run, one line for each artifact that has another name on the server, because an artifact of another
            type has its name.
    """

    levels: list[list[OfflineRun]] = field(default_factory=list, repr=False)
    synced: list[OfflineRun] = field(default_factory=list)
    already: list[OfflineRun] = field(default_factory=list)
    failed: list[tuple[OfflineRun, list[str]]] = field(default_factory=list)
    incomplete: list[tuple[OfflineRun, list[str]]] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    kept: list[tuple[OfflineRun, str]] = field(default_factory=list)
    unlinked: list[tuple[OfflineRun, list[str]]] = field(default_factory=list)
    renamed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether every run is on the server."""
        return not (self.failed or self.incomplete or self.unreadable)


def plan(fragments: list[Fragment], *, entity: str = "", project: str = "", url: str | None = None) -> SyncReport:
    """Check that the files of runs are there, and sort them, without changing anything.

    Args:
        fragments: The earliest first.
        entity: Of runs that name none.
        project: Of runs that name none.
        url: The server; None counts a run as synced whatever the server was.

    Returns:
        The report, as far as it is known before anything is synced.
    """
    found = SyncReport()
    todo = []
    for part in fragments:
        if not part.is_begun:
            found.unreadable.append((part.place, "; ".join(part.faults) or _EMPTY))
    for run in group([part for part in fragments if part.is_begun], entity, project):
        if is_synced(run, url) and not any(mark_of(run, part, url).get("unlinked") for part in run.fragments):
            found.already.append(run)
            continue
        todo.append(run)
        if not is_uploaded(run, url) and (lines := [*missing(run)]):
            found.incomplete.append((run, lines))
    found.levels = levels(todo)
    return found


def is_synced(run: OfflineRun, url: str | None = None) -> bool:
    """Whether all that a run's folders hold was seen on the server by a sync."""
    return all(mark_of(run, part, url).get("complete") for part in run.fragments)


def is_uploaded(run: OfflineRun, url: str | None = None) -> bool:
    """Whether all but the edges was."""
    return all(mark_of(run, part, url) for part in run.fragments)


def mark_of(run: OfflineRun, part: Fragment, url: str | None) -> dict[str, Any]:
    """What a sync to this server noted beside a fragment; empty where that has been written to since.

    Where a sync is told entity or project (`--project`), one to another place does not count.
    """
    path = run.id if run.project == NO_PROJECT else run.path
    try:
        mark: dict[str, Any] = json.loads(part.marker.read_text())
        is_of_now = mark["format"] == FORMAT and mark["log_size"] == part.log_size
        is_of_now &= f"/{mark['run']}".endswith(f"/{path}")
        return mark if is_of_now and url in (None, mark["url"]) else {}
    except (OSError, ValueError, TypeError, LookupError):
        return {}


def write_mark(run: OfflineRun, url: str, *, complete: bool, unlinked: list[str] | None = None) -> None:
    """Note that a run is on the server.

    Args:
        run: The run.
        url: The server.
        complete: Whether its edges are, too.
        unlinked: Versions that it used and that the server does not know; they are looked for again.
    """
    for part in run.fragments:
        mark = {
            "format": FORMAT,
            "complete": complete,
            "url": url,
            "run": run.path,
            "log_size": part.log_size,
            "unlinked": unlinked or [],
        }
        part.marker.parent.mkdir(exist_ok=True)
        partial = part.marker.with_name(f"{part.marker.name}.{os.getpid()}")
        partial.write_text(json.dumps(mark) + "\n")
        partial.replace(part.marker)
        if complete and run.is_closed and not part.is_packed:
            # By this the client's own sync knows.
            (part.place / f"{part.log}.synced").touch()
