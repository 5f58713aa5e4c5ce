"""Runs on the disk, each with all that was written of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import _log, _schema
from ._artifacts import Artifact, Input
from ._finding import find_fragments
from ._fragments import Fragment

NO_PROJECT = "uncategorized"
"""The project of runs that name none, as the client and the server call it."""


class OfflineRun:
    """A run as it is on the disk. Attempts that continued one run are one, even if each wrote a folder of its own.

    It is read when it is found. What has been written since is not in it.

    Attributes:
        id: Its id.
        project: Its project; "uncategorized" where it names none.
        entity: Empty where it names none: it is then that of whoever syncs it.
        name: What it is called; its id where it has no name.
        group: The group, such as one execution of a workflow.
        job_type: The job type, such as the task's name.
        tags: Its tags.
        config: Its config, without what the wandb client adds.
        summary: Its summary, without what the wandb client adds.
        exit_code: None where it was never closed.
        started: When it started, in UTC; None where that is not known.
        duration: Seconds that it ran; None where that is not known.
        folder: The folder or tar with it; the last one where it has several.
        artifacts: The artifacts that it logged.
        inputs: The artifacts that it consumed.
        faults: What of it is damaged, and why.
        fragments: What each of its processes wrote, the earliest first.
        renamed: What artifacts are called on the server whose name is taken by another type: by entity, project and
            name, and by type.
    """

    def __init__(self, fragments: list[Fragment], entity: str = "", project: str = "") -> None:
        last = fragments[-1]
        self.id = last.id
        self.entity = last.entity or entity
        named = "" if last.project == NO_PROJECT else last.project
        self.project = named or project or NO_PROJECT
        self.fragments = fragments
        self.renamed: dict[tuple[tuple[str, str, str], str], str] = {}
        record = last.record
        self.name: str = record.display_name or last.id
        self.group: str = record.run_group
        self.job_type: str = record.job_type
        self.tags, self.notes = list(record.tags), record.notes
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        for part in fragments:
            self.config |= {key: value for key, value in part.config.items() if not key.startswith("_")}
            self.summary |= part.metrics
        self.summary = dict(sorted(self.summary.items()))
        self.exit_code = last.exit_code
        self.faults = [fault for part in fragments for fault in part.faults]
        self.started = datetime.fromtimestamp(fragments[0].started, timezone.utc) if fragments[0].started else None
        seconds = [found for part in fragments if (found := _seconds(part)) is not None]
        self.duration = sum(seconds) if seconds else None
        self.folder = last.place
        self.artifacts = [artifact for part in fragments for artifact in _artifacts(part)]
        self.inputs = list(
            {
                (edge["name"], edge["alias"]): Input(edge["name"], edge["alias"], edge.get("type", ""))
                for part in fragments
                for edge in part.edges
                if edge["edge"] == "input"
            }.values()
        )

    def __repr__(self) -> str:
        return f"<OfflineRun {self.path} {self.state}>"

    @property
    def path(self) -> str:
        """Entity, project and id, as far as they are known, with "/" between them."""
        return "/".join(part for part in (self.entity, self.project, self.id) if part)

    @property
    def state(self) -> str:
        """How it ended: "finished", "failed", "preempted", or "not closed" (its process was killed, or still runs).

        "damaged" where its files are not as they were written, "empty" where they hold nothing of a run.
        """
        last = self.fragments[-1]
        if self.faults:
            return "damaged"
        if not last.is_begun:
            return "empty"
        if last.exit_code is None:
            return "not closed"
        if last.exit_code == 0:
            return "finished"
        return "preempted" if last.preempting else "failed"

    @property
    def is_closed(self) -> bool:
        """Whether it came to its end; otherwise its process was killed, or still writes."""
        return self.exit_code is not None

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(part.size for part in self.fragments)

    def history(self, keys: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield what was logged, a dictionary for each step, as it was written.

        `pandas.DataFrame(run.history())` is a table of it.

        Args:
            keys: Yield the rows that hold all of these, with nothing else. Keys of dictionaries are joined with a dot.
        """
        wanted = None if keys is None else list(keys)
        offsets = Offsets()
        for part in self.fragments:
            offsets.begin(part)
            for contents in part.history():
                items = map(_schema.Item.FromString, contents.item)
                row = {".".join(_log.keys_of(item)): json.loads(item.value_json) for item in items}
                steps = offsets.of_row(contents.step.num, row.get("_runtime", 0.0))
                for key, offset in (("_step", steps), ("_runtime", offsets.seconds)):
                    if offset and key in row:
                        row[key] += offset
                if wanted is None:
                    yield row
                elif all(key in row for key in wanted):
                    yield {key: row[key] for key in wanted}


class Offsets:
    """How much later the steps and seconds of each fragment are in the run as a whole.

    The client counts both from 0 in each folder, but for one in which the same process went on, and for steps that the
    user gave.

    Attributes:
        steps: What is added to the steps of the present fragment.
        seconds: What is added to its seconds.
    """

    def __init__(self) -> None:
        self.steps, self.seconds = 0, 0.0
        self._next_step, self._next_second = 0, 0.0
        self._started = 0.0
        self._is_first_row = True

    def begin(self, part: Fragment) -> None:
        """Go on with a fragment."""
        went_on = part.starting_step and self._started
        self.seconds = self.seconds + part.started - self._started if went_on else self._next_second
        self.steps, self._started, self._is_first_row = 0, part.started, True

    def of_row(self, step: int, second: float = 0.0) -> int:
        """Take a row of history, as it was written; returns what is added to its step."""
        if self._is_first_row:
            self.steps, self._is_first_row = max(0, self._next_step - step), False
        self._next_step = max(self._next_step, self.steps + step + 1)
        self._next_second = max(self._next_second, self.seconds + second)
        return self.steps


def _seconds(part: Fragment) -> float | None:
    known = [value for value in (part.runtime, part.summary.get("_runtime")) if isinstance(value, int | float)]
    return max(known) if known else None


def _artifacts(part: Fragment) -> Iterator[Artifact]:
    yield from part.artifacts
    # Those of an online run went to the server at once: its log does not know them.
    for edge in part.edges if part.is_online else ():
        if edge["edge"] == "output":
            yield Artifact(edge["name"], edge.get("type", ""), edge["digest"], edge.get("aliases", []))


def group(fragments: list[Fragment], entity: str = "", project: str = "") -> list[OfflineRun]:
    """Put the fragments of each run together.

    Args:
        fragments: The earliest first.
        entity: Of runs that name none.
        project: Of runs that name none, for which the client writes its own default.
    """
    parts: dict[tuple[str, str, str], list[Fragment]] = {}
    # A run that began online went on offline with the entity that the server had told; its first log does not name it.
    known = {(part.project, part.id): part.entity for part in fragments if part.entity}
    for part in fragments:
        named = "" if part.project == NO_PROJECT else part.project
        owner = part.entity or known.get((part.project, part.id)) or entity
        # What is no run is one by itself, whatever its file is called.
        key = (owner, named or project, part.id if part.is_begun else str(part.place))
        parts.setdefault(key, []).append(part)
    return [OfflineRun(found, entity, project) for found in parts.values()]


def find_runs(*places: str | Path) -> list[OfflineRun]:
    """Every run at or below folders, the earliest first.

    What is damaged, or holds nothing of a run, is among them: see `state` and `faults`.

    Args:
        places: Folders of runs, tars of runs, or folders above these; the working folder where none is given.

    Raises:
        FileNotFoundError: There is no such folder or file.
    """
    return group(find_fragments(places or ["."]))
