"""What offline runs hold, read from their folders, or from the tars that they were packed into, without the client."""

from __future__ import annotations

import glob
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from . import _log
from ._artifacts import Artifact, read_artifact
from .lineage import FORMAT

LEDGER = "wandb-track/lineage.jsonl"
_NEEDED: dict[str, tuple[str, ...]] = {"input": ("name", "alias"), "output": ("name", "digest"), "continues": ()}
"""What a line of the ledger cannot do without, by the kind of its edge."""
_WHOLE_UP_TO = 1 << 18
_ENDS = 1 << 16


@dataclass
class Run:
    """One fragment of a run: what one process wrote.

    Attributes:
        place: The run's folder, or the tar with it.
        log: The name of the transaction log in it.
        started: Seconds since 1970; 0 where the log does not say.
        runtime: Whole seconds that it ran; None where it was never closed.
        exit_code: None where it was never closed.
        resume: Whether it was to go on with an earlier run of the same id.
        starting_step: The first step that it can have: more than 0 where it goes on within the same process.
        files: Patterns, relative to the folder `files`, of what is to be uploaded.
        edges: What the ledger says.
        size: Bytes of everything in the folder.
        members: Size by path of what is in a tar; None for a folder.
        log_size: Bytes of the log when it was read.
        is_begun: Whether there is anything of a run: not where the process was killed before the client wrote to disk.
        faults: Why it cannot be read, or not as it was written.
    """

    place: Path
    log: str
    id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    runtime: int | None = None
    exit_code: int | None = None
    resume: bool = False
    starting_step: int = 0
    preempting: bool = False
    artifacts: list[Artifact] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    members: dict[str, int] | None = None
    log_size: int = 0
    is_begun: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def is_packed(self) -> bool:
        """Whether it lies in a tar."""
        return self.place.suffix == ".tar"

    @property
    def is_online(self) -> bool:
        """Whether it was written beside a server, as the folder's name says: its artifacts went there at once."""
        return self.place.name.startswith("run-")

    @property
    def state(self) -> str:
        """As W&B calls it: finished, failed, preempted; "not closed" where the process was killed, or still runs."""
        if self.faults or not self.is_begun:
            return "damaged" if self.faults else "empty"
        if self.exit_code is None:
            return "not closed"
        if self.exit_code == 0:
            return "finished"
        return "preempted" if self.preempting else f"failed ({self.exit_code})"

    @property
    def metrics(self) -> dict[str, Any]:
        """The summary without what the client adds."""
        return {key: value for key, value in self.summary.items() if not key.startswith("_")}

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The edges from artifacts that the run used."""
        return [edge for edge in self.edges if edge["edge"] == "input"]

    @property
    def marker(self) -> Path:
        """Where it is kept that the run is safely synced: beside a tar, within a folder."""
        return self.place.with_name(self.place.name + ".synced") if self.is_packed else self._own("synced.json")

    @property
    def lock(self) -> Path:
        """The file that a sync of this run locks."""
        return self.place.with_name(self.place.name + ".lock") if self.is_packed else self._own("sync.lock")

    def _own(self, name: str) -> Path:
        return self.place / "wandb-track" / name


def find(paths: Iterable[str | Path], *, whole: bool = True) -> list[Run]:
    """Every offline run at or below the paths, the earliest first. Of copies, that with the longest log counts.

    With a run that went offline when its service died comes what it said before, if that lies beside it.

    Args:
        paths: Folders of runs, `.wandb` files in them, tars, or folders above any of these.
        whole: Read all of a long log; otherwise its ends, in which everything stands but what was logged in the
            middle and never again.
    """
    found: dict[tuple[str, float], Run] = {}
    for path in paths:
        for run in _search(Path(path), whole):
            key = (run.id, run.started) if run.is_begun else (str(run.place), 0.0)
            found[key] = max(found.get(key, run), run, key=lambda one: (one.log_size, not one.is_packed))
    return sorted(found.values(), key=lambda run: run.started)


def _search(path: Path, whole: bool) -> Iterator[Run]:
    if path.is_file():
        yield from _read_file(path, whole)
        return
    pending = [str(path)]
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as found:
            children = list(found)
        log = next((child.name for child in children if is_log(child.name)), None)
        if log is not None:
            if not Path(folder).name.startswith("run-") or folder == str(path):
                run = read_folder(Path(folder), log, children, whole)
                yield run
                yield from _begun_online(run, whole)
            continue
        for child in children:
            if child.is_dir(follow_symlinks=False):
                pending.append(child.path)
            elif child.name.endswith(".tar"):
                yield from _read_file(Path(child.path), whole)


def _begun_online(run: Run, whole: bool) -> Iterator[Run]:
    """What a run said online, where its service died and it went on offline in the folder that was found."""
    for log in run.place.parent.glob(f"run-*/{glob.escape(run.log)}") if run.starting_step else ():
        begun = read_folder(log.parent, log.name, whole=whole)
        if begun.exit_code is None and begun.started < run.started:
            yield begun


def is_log(name: str) -> bool:
    """Whether a file's name is that of a transaction log."""
    return name.startswith("run-") and name.endswith(".wandb")


def _read_file(path: Path, whole: bool) -> Iterator[Run]:
    if path.suffix == ".wandb":
        with os.scandir(path.parent) as children:
            yield read_folder(path.parent, path.name, list(children), whole)
        return
    try:
        with tarfile.open(path) as tar:
            run = _read_tar(path, tar)
    except (tarfile.TarError, OSError, EOFError) as error:
        run = Run(path, "", path.stem, members={}, size=path.stat().st_size, faults=[f"it is no whole tar: {error}"])
    if run is not None:
        yield run


def read_folder(folder: Path, log: str, children: list[os.DirEntry[str]] | None = None, whole: bool = True) -> Run:
    """Read the fragment in a folder.

    Args:
        folder: The run's folder.
        log: The name of its transaction log.
        children: What lies in the folder, where that is known.
        whole: As for `find`.
    """
    run = Run(folder, log, size=_size(str(folder), children))
    with _log.opened(folder / log) as data:
        run.log_size = len(data)
        if whole or len(data) <= _WHOLE_UP_TO:
            _read_records(run, _log.entries(data))
        else:
            _read_records(run, _log.entries(data[:_ENDS]))
            _read_records(run, _log.entries(data, tail=_ENDS))
    ledger = folder / LEDGER
    if ledger.exists():
        _read_ledger(run, ledger.read_text())
    return run


def _size(folder: str, children: list[os.DirEntry[str]] | None = None) -> int:
    total = 0
    if children is None:
        with os.scandir(folder) as found:
            children = list(found)
    for child in children:
        if child.is_dir(follow_symlinks=False):
            total += _size(child.path)
        else:
            total += child.stat(follow_symlinks=False).st_size
    return total


def _read_tar(path: Path, tar: tarfile.TarFile) -> Run | None:
    members = {PurePosixPath(member.name): member for member in tar if member.isfile()}
    log = next((name for name in members if is_log(name.name)), None)
    if log is None:
        return None
    run = Run(path, log.name, size=path.stat().st_size, log_size=members[log].size)
    run.members = {
        name.relative_to(log.parent).as_posix(): member.size
        for name, member in members.items()
        if name.is_relative_to(log.parent)
    }
    _read_records(run, _log.entries(_contents(tar, members[log])))
    ledger = members.get(log.parent / LEDGER)
    if ledger is not None:
        _read_ledger(run, _contents(tar, ledger).decode())
    return run


def _contents(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _read_ledger(run: Run, text: str) -> None:
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        try:
            edge = json.loads(line)
            if edge["format"] != FORMAT or not all(isinstance(edge[key], str) for key in _NEEDED[edge["edge"]]):
                raise ValueError(line)
            if edge["edge"] == "continues":
                run.starting_step = edge.get("step", 0)
            else:
                run.edges.append(edge)
        except (ValueError, TypeError, KeyError):
            # A process that was killed leaves half a line at the end.
            if line.endswith("\n"):
                run.faults.append(f"line {number} of {LEDGER} cannot be read")


def _up_to_damage(run: Run, messages: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from messages
    except _log.DamagedError as error:
        run.faults.append(f"its log is damaged at {error}")


def _read_records(run: Run, messages: Iterable[bytes]) -> None:
    # The client writes a change of the summary for each row of the history: only the last of each item is read.
    summary: dict[bytes, bytes] = {}
    for kind, contents in map(_log.kind_of, _up_to_damage(run, messages)):
        if kind == _log.SUMMARY:
            if not _log.latest(contents, summary):
                _log.apply(_log.read_latest(summary), run.summary)
                summary.clear()
                _log.apply(_log.items(contents), run.summary)
        elif kind == _log.CONFIG:
            _log.apply(_log.items(contents), run.config)
        elif kind == _log.RUN:
            _read_run(run, contents)
        elif kind == _log.EXIT:
            values = {part.number: part.value for part in _log.fields(contents)}
            run.exit_code, run.runtime = values.get(1, 0), values.get(2, 0)
        elif kind == _log.ARTIFACT:
            artifact = read_artifact(contents)
            if artifact is not None:
                run.artifacts.append(artifact)
        elif kind == _log.FILES:
            for part in _log.fields(contents):
                run.files += [item.text for item in _log.fields(part.value) if part.number == 1 and item.number == 1]
        elif kind == _log.PREEMPTING:
            run.preempting = True
    _log.apply(_log.read_latest(summary), run.summary)
    # Of a process that was killed before the client wrote anything, no more than this is known.
    run.id = run.id or run.log.removeprefix("run-").removesuffix(".wandb")


_TEXTS = {1: "id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name", 9: "notes"}


def _read_run(run: Run, contents: bytes) -> None:
    run.is_begun, run.tags = True, []
    for part in _log.fields(contents):
        if part.number in _TEXTS:
            setattr(run, _TEXTS[part.number], part.text)
        elif part.number == 10:
            run.tags.append(part.text)
        elif part.number in (4, 5):
            _log.apply(_log.items(part.value), run.config if part.number == 4 else run.summary)
        elif part.number == 14:
            run.starting_step = part.value
        elif part.number == 17:
            time = {inner.number: inner.value for inner in _log.fields(part.value)}
            run.started = time.get(1, 0) + time.get(2, 0) / 1e9
        elif part.number == 24:
            run.resume = bool(part.value)
