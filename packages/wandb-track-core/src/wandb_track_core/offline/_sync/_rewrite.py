"""Puts a run into a folder of its own in the form in which the client's sync does the right thing, however often.

The client's sync takes an artifact's files from where they lay when they were logged, and a run that was opened with
`resume` it continues each time it is called, so that a second call (the first was killed) doubles the history. So it
is given a copy of the log: all fragments in one, as the run that they make up; without what the server has already;
with the present paths of the files. The user's folder is not changed.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from wandb_track_core.offline import _log, _schema
from wandb_track_core.offline._artifacts import entry_in
from wandb_track_core.offline._fragments import Fragment
from wandb_track_core.offline._graph import name_on_server
from wandb_track_core.offline._runs import OfflineRun, Offsets

from ._files import locate, locate_listing

_WRITTEN_BY_SYNC = {"config.yaml", "output.log", "wandb-metadata.json", "wandb-summary.json"}
_AT_THE_END = {"exit", "preempting"}


class Remote(NamedTuple):
    """A run as the server has it.

    Attributes:
        first_row: The time of its first row of history; None where it has no row.
        rows: The times of all its rows; empty where the last one is from before what is to be synced.
    """

    first_row: float | None
    rows: frozenset[float]


class Continuation(NamedTuple):
    """How a run goes on from what the server has of it.

    Attributes:
        is_resumed: Whether it goes on with rows that are not its own, and counts its steps from there.
        there: The times of rows that are there: an earlier sync was cut off, or brought another part of the run.
    """

    is_resumed: bool
    there: frozenset[float]


FROM_THE_BEGINNING = Continuation(is_resumed=False, there=frozenset())


def continuation(run: OfflineRun, remote: Remote | None) -> Continuation:
    """How a run is to be synced, given what the server has of it (None: nothing)."""
    if remote is None:
        return FROM_THE_BEGINNING
    if not run.fragments[0].record.resume:
        return Continuation(False, remote.rows)
    own = {row["_timestamp"] for row in run.history(["_timestamp"])} if remote.rows else ()
    return Continuation(not remote.rows or not remote.rows.issubset(own), remote.rows)


def rewrite(run: OfflineRun, folder: Path, how: Continuation) -> Path:
    """Write a run's folder for `wandb sync`.

    Args:
        run: The run; packed fragments are unpacked here.
        folder: A new folder for all that is needed.
        how: How it goes on from what the server has.

    Returns:
        The folder to sync, below `folder`.
    """
    target = folder / f"offline-run-{run.id}"
    (target / "files").mkdir(parents=True)
    parts = [_unpack(part, folder / str(number)) for number, part in enumerate(run.fragments)]
    for part in parts:
        _link_files(part.place / "files", target / "files")
    _log.write(target / f"run-{run.id}.wandb", _messages(run, parts, folder, how))
    return target


def _unpack(part: Fragment, folder: Path) -> Fragment:
    """The fragment in a folder of its own, where it is in a tar; nothing in a tar can be written anywhere else."""
    if not part.is_packed:
        return part
    with tarfile.open(part.place, "r:") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            contents = tar.extractfile(member) if member.isreg() and not member.issparse() else None
            if contents is not None and not path.is_absolute() and ".." not in path.parts:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with (folder / path).open("wb") as file:
                    shutil.copyfileobj(contents, file)
        log = next(PurePosixPath(name) for name in tar.getnames() if PurePosixPath(name).name == part.log)
    return replace(part, place=folder / log.parent, members=None)


def _link_files(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if path.is_file() and inside.as_posix() not in _WRITTEN_BY_SYNC:
            link = target / inside
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())


def _messages(run: OfflineRun, parts: list[Fragment], folder: Path, how: Continuation) -> Iterator[bytes]:
    offsets, passed = Offsets(), 0
    identities: dict[str, Any] = {}
    is_simple = len(parts) == 1 and not how.there
    for number, part in enumerate(parts):
        offsets.begin(part)
        for message in _log.entries(part.contents()):
            record = _schema.Record.FromString(message)
            kind = record.WhichOneof("kind")
            if kind == "run":
                if number:
                    # A second record of the run does not bring its config to the server.
                    extra = _schema.Record(config=record.run.config)
                    _merge(extra.config, identities)
                    yield extra.SerializeToString()
                _place_run(record.run, run, how.is_resumed)
            elif kind == "config":
                _merge(record.config, identities)
            elif kind == "artifact":
                _place_artifact(record.artifact, part, run, folder)
            elif is_simple:
                pass  # its rows and its end are as they should be
            elif kind == "history":
                row = _values(record.history.item)
                steps = offsets.of_row(record.history.step.num, row.get("_runtime", 0.0))
                if row.get("_timestamp") in how.there:
                    # The client counts the steps of a resumed run from the last one that is there.
                    passed = steps + record.history.step.num + 1 if how.is_resumed else 0
                    continue
                record.history.step.num += steps - passed
                _shift(record.history.item, steps - passed, offsets.seconds)
            elif kind == "summary":
                change = _schema.Changes.FromString(record.summary)
                _shift(change.update, offsets.steps - passed, offsets.seconds)
                record.summary = change.SerializeToString()
            elif kind in _AT_THE_END and number < len(parts) - 1:
                continue
            yield record.SerializeToString()


def _values(items: Any) -> dict[str, float]:
    names = {"_timestamp", "_runtime"}
    keys = ((_log.keys_of(item)[0], item) for item in map(_schema.Item.FromString, items))
    return {key: json.loads(item.value_json) for key, item in keys if key in names and item.value_json}


def _merge(change: Any, identities: dict[str, Any]) -> None:
    """Change the config as a resumed run does it online: a task's identity lists its attempts so far."""
    for number, item in enumerate(map(_schema.Item.FromString, change.update)):
        key, value = _log.keys_of(item)[0], json.loads(item.value_json or "null")
        if isinstance(value, dict) and "attempt" in value:
            known = identities.get(key)
            if known is not None and known["attempt"] != value["attempt"]:
                attempts = [*known.get("attempts", [known["attempt"]]), value["attempt"]]
                value = {**known, **value, "attempts": list(dict.fromkeys(attempts))}
                item.value_json = json.dumps(value)
                change.update[number] = item.SerializeToString()
            identities[key] = value


def _place_run(record: Any, run: OfflineRun, is_resumed: bool) -> None:
    record.entity, record.project, record.resume = run.entity, run.project, is_resumed


def _place_artifact(record: Any, part: Fragment, run: OfflineRun, folder: Path) -> None:
    record.entity, record.project, record.name = name_on_server(run, record.name, record.type)
    for entry in record.manifest.contents:
        if found := locate(part, entry):
            entry.local_path = str(found.absolute())
    if record.manifest.manifest_file_path:
        record.manifest.manifest_file_path = str(_relocated(record.manifest.manifest_file_path, part, folder))


def _relocated(listing: str, part: Fragment, folder: Path) -> Path:
    """A copy of the file with a very large artifact's entries; the client deletes the one that it is given."""
    source = locate_listing(part, listing)
    if source is None:
        raise FileNotFoundError(listing)
    target = folder / source.name
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt", compresslevel=1) as file:
        for line in lines:
            found = locate(part, entry_in(line))
            place = {} if found is None else {"local_path": str(found.absolute())}
            file.write(json.dumps({**json.loads(line), **place}) + "\n")
    return target


def _shift(items: Any, steps: int, seconds: float) -> None:
    """Make a row of history or a change of the summary as many steps and seconds later."""
    shifts = {"_step": steps, "_runtime": seconds}
    for number in reversed(range(len(items))):
        item = _schema.Item.FromString(items[number])
        offset = shifts.get(_log.keys_of(item)[0])
        if offset:
            value = offset + json.loads(item.value_json)
            if value < 0:
                del items[number]
            else:
                item.value_json = json.dumps(value)
                items[number] = item.SerializeToString()
