"""Reads what each process of a run wrote: a folder with a transaction log, or a tar of such a folder."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from wandb_track_core import _ledger

from . import _log, _schema
from ._artifacts import Artifact, artifact_of

_TakeRow = Callable[[Any, dict[str, str]], None]
"""Takes a row of the history, and the axes."""
_UNREADABLE = (_schema.DecodeError, ValueError, RecursionError)
"""What the parser raises if a complete entry is not a record of the client."""


@dataclass
class Fragment:
    """What one process wrote of a run.

    Attributes:
        place: The run's folder, or the tar with it.
        log: The name of the transaction log in it.
        record: What the client wrote of the run as a whole.
        started: Seconds since 1970; 0 where the log does not say.
        runtime: Whole seconds that it ran; None where it was never closed.
        exit_code: None where it was never closed.
        starting_step: The first step that it can have: more than 0 where it goes on within the same process.
        files: Patterns, relative to the folder `files`, of what is to be uploaded.
        edges: What the ledger says.
        size: Bytes of everything in the folder.
        members: Offset and size by path of what is in a tar; None for a folder.
        log_size: Bytes of the log when it was read.
        is_begun: Whether there is anything of a run: not where the process was killed before the client wrote to disk.
        axes: By name or pattern of metrics, over which other metric they are drawn, as `define_metric` said.
        faults: Why it cannot be read, or not as it was written.
    """

    place: Path
    log: str
    id: str = ""
    entity: str = ""
    project: str = ""
    record: Any = field(default_factory=_schema.Run)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    runtime: int | None = None
    exit_code: int | None = None
    starting_step: int = 0
    preempting: bool = False
    artifacts: list[Artifact] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    members: dict[str, tuple[int, int]] | None = None
    log_size: int = 0
    is_begun: bool = False
    axes: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def is_packed(self) -> bool:
        """Whether it is in a tar."""
        return self.place.suffix == ".tar"

    @property
    def is_online(self) -> bool:
        """Whether it was written beside a server, as the folder's name says: its artifacts went there at once."""
        return self.place.name.startswith("run-")

    @property
    def metrics(self) -> dict[str, Any]:
        """The summary without what the client adds."""
        return {key: value for key, value in self.summary.items() if not key.startswith("_")}

    @property
    def marker(self) -> Path:
        """Where it is kept that the run is safely synced: beside a tar, within a folder."""
        if self.is_packed:
            return self.place.with_name(f"{self.place.name}.synced")
        return self.place / "wandb-track" / "synced.json"

    def size_of(self, inside: str) -> int | None:
        """The size of a file, by its path in the run's folder; None where there is none."""
        if self.members is not None:
            return self.members[inside][1] if inside in self.members else None
        path = self.place / inside
        return path.stat().st_size if path.is_file() else None

    def read(self, inside: str, limit: int) -> bytes | None:
        """The contents of a file in the run's folder; None where there is none, or a larger one than the limit."""
        size = self.size_of(inside)
        if size is None or size > limit or ".." in PurePosixPath(inside).parts or PurePosixPath(inside).is_absolute():
            return None
        with (self.place / inside if self.members is None else self.place).open("rb") as file:
            file.seek(0 if self.members is None else self.members[inside][0])
            return file.read(size)

    def contents(self) -> memoryview:
        """The transaction log's contents, not yet in memory."""
        if self.members is None:
            return _log.contents_of(self.place / self.log)
        return _log.contents_of(self.place, *self.members[self.log])

    def history(self) -> Iterator[Any]:
        """Each row as the log has it, up to where it is damaged or ends."""
        try:
            for kind, contents in _log.records(_log.entries(self.contents())):
                if kind == "history":
                    yield contents
        except (_log.DamagedError, OSError, *_UNREADABLE):
            return


def is_log(name: str) -> bool:
    """Whether a file's name is that of a transaction log."""
    return name.startswith("run-") and name.endswith(".wandb")


def _is_folder_of_run(name: str) -> bool:
    return name.startswith(("offline-run-", "run-"))


def read_folder(folder: Path, log: str, rows: _TakeRow | None = None) -> Fragment:
    """Read the fragment in a folder.

    Args:
        folder: The run's folder.
        log: The name of its transaction log.
        rows: Called with each row of the history, and the axes.
    """
    run = Fragment(folder, log, size=_size(str(folder)))
    try:
        data = run.contents()
    except OSError as error:
        # Such as a link to what is not on this machine.
        run.faults.append(f"its log cannot be read: {error.strerror}")
        data = memoryview(b"")
    run.log_size = len(data)
    _read_records(run, _log.entries(data), rows)
    _take_ledger(run, *_ledger.read(folder))
    return run


def _size(folder: str) -> int:
    total = 0
    with os.scandir(folder) as children:
        for child in children:
            is_folder = child.is_dir(follow_symlinks=False)
            total += _size(child.path) if is_folder else child.stat(follow_symlinks=False).st_size
    return total


def read_tar(path: Path, *, is_meant: bool = False, rows: _TakeRow | None = None) -> Iterator[Fragment]:
    """Read the fragment in a tar. Other tars, and other files with this name, are passed over.

    Args:
        path: The tar. It must not be compressed: what it holds is then no larger than itself.
        is_meant: Whether the user named this very file, so that it is a fault where it is none.
        rows: Called with each row of the history, and the axes.
    """
    run = Fragment(path, "", path.stem, members={}, size=path.stat().st_size)
    is_run = is_meant or _is_folder_of_run(path.name)
    members: dict[PurePosixPath, tuple[int, int]] = {}
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                is_run = is_run or any(map(_is_folder_of_run, name.parts[:-1]))
                if member.isreg() and not member.issparse():
                    members[name] = (member.offset_data, member.size)
            # Python takes what was cut, or damaged, at the beginning of a member for a whole tar.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("its end is missing")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if is_run:
            run.faults.append(f"it is no whole tar: {error}")
            yield run
        return
    log = next((name for name in members if is_log(name.name)), None)
    if log is None:
        if is_meant:
            run.faults.append("it is a tar without a run")
            yield run
        return
    inside = {name: place for name, place in members.items() if name.is_relative_to(log.parent)}
    run.members = {name.relative_to(log.parent).as_posix(): place for name, place in inside.items()}
    run.log, run.log_size = log.name, members[log][1]
    _read_records(run, _log.entries(run.contents()), rows)
    ledger = run.read(_ledger.LEDGER, run.size)
    if ledger is not None:
        _take_ledger(run, *_ledger.parse(ledger))
    yield run


def _take_ledger(run: Fragment, edges: list[dict[str, Any]], faults: list[str]) -> None:
    run.edges = [edge for edge in edges if edge["edge"] != "continues"]
    run.starting_step = next((edge.get("step", 0) for edge in edges if edge["edge"] == "continues"), run.starting_step)
    run.faults += faults


def _read_records(run: Fragment, messages: Iterable[bytes], rows: _TakeRow | None = None) -> None:
    # The client writes a change of the summary for each row, many twice: of each item only the last is parsed.
    latest: dict[bytes, bytes] = {}
    last = b""
    with _noting_faults(run):
        for kind, contents in _log.records(messages):
            if kind == "summary" and contents != last:
                last, change = contents, _schema.Changes.FromString(contents)
                for item in change.update:
                    latest[item.partition(_log.VALUE)[0]] = item
                if change.remove:
                    _log.apply(run.summary, latest.values(), change.remove)
                    latest.clear()
            elif kind != "history":
                _read_record(run, kind, contents)
            elif rows is not None:
                rows(contents, run.axes)
    with _noting_faults(run):
        _log.apply(run.summary, latest.values())
    # Of a process that was killed before the client wrote anything, no more than this is known.
    run.id = run.id or run.log.removeprefix("run-").removesuffix(".wandb")


@contextmanager
def _noting_faults(run: Fragment) -> Iterator[None]:
    try:
        yield
    except _log.DamagedError as error:
        run.faults.append(str(error))
    except _UNREADABLE as error:
        run.faults.append(f"its log holds what is no record of a run: {error}")


def _read_record(run: Fragment, kind: str, record: Any) -> None:
    if kind == "run":
        run.is_begun = True
        run.record, run.starting_step = record, record.starting_step
        run.id, run.entity, run.project = record.run_id, record.entity, record.project
        run.started = record.start_time.seconds + record.start_time.nanos / 1e9
        _log.apply(run.config, record.config.update, record.config.remove)
        _log.apply(run.summary, record.summary.update, record.summary.remove)
    elif kind == "config":
        _log.apply(run.config, record.update, record.remove)
    elif kind == "exit":
        run.exit_code, run.runtime = record.exit_code, record.runtime
    elif kind == "artifact":
        if artifact := artifact_of(record):
            run.artifacts.append(artifact)
    elif kind == "files":
        run.files += [file.path for file in record.files]
    elif kind == "metric":
        run.axes[record.glob_name or record.name] = record.step_metric
    elif kind == "preempting":
        run.preempting = True
