"""Puts a run into a folder of its own in the form in which the client's sync does the right thing, however often.

The client's sync takes an artifact's files from where they lay when they were logged, and a run that was opened with
`resume` it continues each time it is called, so that a second call (the first was killed) doubles the history. So it
is given a copy of the log: all fragments in one, as the run that they make up; without what the server has already;
with the files where they lie now. The user's folder stays as it is.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from wandb_track_core import _log
from wandb_track_core._artifacts import Artifact, read_artifact, read_entry
from wandb_track_core.offline import Run

from ._files import entries, locate, manifest_file
from ._order import Unit

_WRITTEN_BY_SYNC = {"config.yaml", "output.log", "wandb-metadata.json", "wandb-summary.json"}
_NOT_AT_AN_END = {_log.EXIT, _log.PREEMPTING}


class Remote(NamedTuple):
    """A run as the server has it: the times of its first and last row of history, None where it has no row."""

    first_row: float | None
    last_row: float | None


class Continuation(NamedTuple):
    """How a run goes on from what the server has of it.

    Attributes:
        is_resumed: Whether it goes on with rows that are not its own, and counts its steps from there.
        after: The time up to which its rows are there: an earlier sync was cut off. None where there are none.
    """

    is_resumed: bool
    after: float | None


FROM_THE_BEGINNING = Continuation(is_resumed=False, after=None)


def continuation(unit: Unit, remote: Remote | None) -> Continuation:
    """How a run is to be synced, given what the server has of it (None: nothing)."""
    if remote is None:
        return FROM_THE_BEGINNING
    first, last = remote
    is_resumed = unit.fragments[0].resume and (first is None or first < unit.started)
    is_begun = last is not None and (is_resumed or last >= unit.started)
    return Continuation(is_resumed, last if is_begun else None)


def rewrite(unit: Unit, folder: Path, how: Continuation) -> Path:
    """Write a run's folder for `wandb sync`.

    Args:
        unit: The run; packed fragments are unpacked here.
        folder: A new folder for all that is needed.
        how: How it goes on from what the server has.

    Returns:
        The folder to sync, below `folder`.
    """
    target = folder / f"offline-run-{unit.id}"
    (target / "files").mkdir(parents=True)
    fragments = [unpack(run, folder / str(number)) for number, run in enumerate(unit.fragments)]
    for run in fragments:
        _link_files(run.place / "files", target / "files")
    _log.write(target / f"run-{unit.id}.wandb", _messages(unit, fragments, folder, how))
    return target


def unpack(run: Run, folder: Path) -> Run:
    """The run in a folder of its own, where it lies in a tar; nothing in a tar can be written anywhere else."""
    if not run.is_packed:
        return run
    with tarfile.open(run.place) as tar:
        tar.extraction_filter = staticmethod(tarfile.data_filter)
        tar.extractall(folder)
        log = next(PurePosixPath(name) for name in tar.getnames() if PurePosixPath(name).name == run.log)
    return replace(run, place=folder / log.parent, members=None)


def _link_files(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if path.is_file() and inside.as_posix() not in _WRITTEN_BY_SYNC:
            link = target / inside
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())


def _messages(unit: Unit, fragments: list[Run], folder: Path, how: Continuation) -> Iterator[bytes]:
    next_step, next_second, passed = 0, 0.0, 0
    started, seconds = 0.0, 0.0
    identities: dict[str, Any] = {}
    is_simple = len(fragments) == 1 and how.after is None
    for number, run in enumerate(fragments):
        last_step, last_second = -1, 0.0
        # The client counts both from 0 in each folder, but for one in which the same process went on.
        steps = max(0, next_step - run.starting_step)
        seconds = seconds + run.started - started if number and run.starting_step else next_second
        started = run.started
        is_last = number == len(fragments) - 1
        with _log.opened(run.place / run.log) as data:
            for message in _log.entries(data):
                kind, contents = _log.kind_of(message)
                if kind == _log.RUN:
                    yield _log.replace(message, kind, _run_record(contents, unit, how.is_resumed))
                    for part in _log.fields(contents):
                        if part.number == 4 and number:
                            # A second record of the run does not bring its config to the server.
                            yield _log.encode([_log.Field(_log.CONFIG, 2, _merged(part.value, identities))])
                elif kind == _log.CONFIG:
                    yield _log.replace(message, kind, _merged(contents, identities))
                elif kind == _log.ARTIFACT:
                    yield _log.replace(message, kind, _artifact_record(contents, run, unit, folder))
                elif is_simple:
                    yield message
                elif kind == _log.HISTORY:
                    row = _values(contents)
                    last_step, last_second = int(row.get("_step", last_step)), row.get("_runtime", last_second)
                    if how.after is not None and row.get("_timestamp", how.after) <= how.after:
                        # The client counts the steps of a resumed run from the last one that is there.
                        passed = steps + last_step + 1 if how.is_resumed else 0
                    else:
                        yield _log.replace(message, kind, _shifted(contents, kind, steps - passed, seconds))
                elif kind == _log.SUMMARY:
                    yield _log.replace(message, kind, _shifted(contents, kind, steps - passed, seconds))
                elif is_last or kind not in _NOT_AT_AN_END:
                    yield message
        next_step, next_second = max(next_step, steps + last_step + 1), max(next_second, seconds + last_second)


def _values(row: bytes) -> dict[str, float]:
    names = {"_step", "_timestamp", "_runtime"}
    found = _log.items(row, remove=None)
    return {item.keys[0]: json.loads(item.value) for item in found if item.keys[0] in names and item.value}


def _merged(contents: bytes, identities: dict[str, Any]) -> bytes:
    """A change of the config, as a resumed run makes it online: a task's identity lists its attempts so far."""
    parts = []
    changes = [part for part in _log.fields(contents) if part.number in (1, 2)]
    for part, item in zip(changes, _log.items(contents), strict=True):
        key, value = item.keys[0], json.loads(item.value or "null")
        if isinstance(value, dict) and "attempt" in value:
            known = identities.get(key)
            if known is not None and known["attempt"] != value["attempt"]:
                attempts = [*known.get("attempts", [known["attempt"]]), value["attempt"]]
                value = {**known, **value, "attempts": list(dict.fromkeys(attempts))}
                fields = [_log.text_field(1, key), _log.text_field(16, json.dumps(value))]
                part = part._replace(value=_log.encode(fields))
            identities[key] = value
        parts.append(part)
    return _log.encode(parts)


def _run_record(contents: bytes, unit: Unit, is_resumed: bool) -> bytes:
    kept = [part for part in _log.fields(contents) if part.number not in (2, 3, 24)]
    place = [_log.text_field(2, unit.entity), _log.text_field(3, unit.project)]
    return _log.encode([*kept, *place, *([_log.Field(24, 0, 1)] if is_resumed else [])])


def _artifact_record(contents: bytes, run: Run, unit: Unit, folder: Path) -> bytes:
    artifact = read_artifact(contents)
    parts = []
    for part in _log.fields(contents):
        if part.number == 12 and artifact is not None:
            manifest = [_manifest_field(inner, artifact, run, folder) for inner in _log.fields(part.value)]
            parts.append(part._replace(value=_log.encode(manifest)))
        elif part.number not in (2, 3):
            parts.append(part)
    return _log.encode([*parts, _log.text_field(2, unit.project), _log.text_field(3, unit.entity)])


def _manifest_field(part: _log.Field, artifact: Artifact, run: Run, folder: Path) -> _log.Field:
    if part.number == 4:
        found = locate(run, read_entry(part.value))
        if found is None:
            return part
        others = [inner for inner in _log.fields(part.value) if inner.number != 6]
        return part._replace(value=_log.encode([*others, _log.text_field(6, str(found.absolute()))]))
    if part.number == 5:
        return _log.text_field(5, str(_relocated(artifact, run, folder)))
    return part


def _relocated(artifact: Artifact, run: Run, folder: Path) -> Path:
    """A copy of the file with a very large artifact's entries; the client deletes the one that it is given."""
    source = manifest_file(run, artifact)
    if source is None:
        raise FileNotFoundError(artifact.manifest_file)
    target = folder / source.name
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt", compresslevel=1) as file:
        for line, entry in zip(lines, entries(run, artifact), strict=True):
            found = None if entry.ref or not entry.local_path else locate(run, entry)
            place = {} if found is None else {"local_path": str(found.absolute())}
            file.write(json.dumps({**json.loads(line), **place}) + "\n")
    return target


def _shifted(contents: bytes, kind: int, steps: int, seconds: float) -> bytes:
    """A row of history or a change of the summary, as many steps and seconds later."""
    if not steps and not seconds:
        return contents
    shifts = {"_step": steps, "_runtime": seconds}
    parts = []
    for part in _log.fields(contents):
        if part.number == 1:
            item = list(_log.fields(part.value))
            name = next((field.text for field in item if field.number in (1, 2) and field.value), "")
            if name in shifts:
                value = shifts[name] + next(json.loads(field.value) for field in item if field.number == 16)
                if value < 0:
                    continue
                item = [*(field for field in item if field.number != 16), _log.text_field(16, json.dumps(value))]
                part = part._replace(value=_log.encode(item))
        elif part.number == 2 and kind == _log.HISTORY:
            step = next((field.value for field in _log.fields(part.value)), 0)
            part = part._replace(value=_log.encode([_log.Field(1, 0, step + steps)]))
        parts.append(part)
    return _log.encode(parts)
