"""Read what a run wrote to its ``.wandb`` file, offline or online.

The file is a log in LevelDB's framing: 32 KiB blocks of chunks, each chunk behind a checksum, a length and a
position (whole, first, middle, last), after a header of seven bytes. The chunks put together are messages of
``wandb.proto.wandb_internal_pb2.Record``. The framing is LevelDB's ``doc/log_format.md``; the header and the
use of CRC-32 (IEEE) are what the client writes.
"""

from __future__ import annotations

import importlib
import json
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_BLOCK = 32 * 1024
_HEADER = b":W&B\xe1\xbe\x00"
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class OfflineEntry:
    """One file or reference of an artifact.

    Attributes:
        path: Its path inside the artifact.
        digest: What the client made of its contents (base64 of the md5 for a file).
        size: In bytes.
        local_path: Where its contents lie on this machine; None for a reference.
        ref: The address of a reference; None for a file.
    """

    path: str
    digest: str
    size: int
    local_path: Path | None
    ref: str | None


@dataclass
class OfflineArtifact:
    """An artifact as a run logged it, or declared that it uses it.

    ``id`` is a server's id, known only where an artifact that exists already is used; everything else is empty
    there, as the client then writes no more than id, name and type. ``manifest_file`` is set, and ``entries`` empty,
    for the artifacts of more than 100,000 files whose manifest the client keeps in a file beside its staged copies.
    """

    name: str
    type: str
    aliases: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    digest: str = ""
    client_id: str = ""
    id: str = ""
    entries: dict[str, OfflineEntry] = field(default_factory=dict)
    manifest_file: Path | None = None


@dataclass
class OfflineRun:
    """Everything that one ``.wandb`` file says about its run.

    Attributes:
        path: The ``.wandb`` file.
        start: When the run started, in UTC; None where the file ends before it.
        resume: Whether the run was opened to go on with an earlier one of the same id; None where the client
            is too old (before 0.30) to write it.
        config: Without the client's own ``_wandb`` key, which is `wandb_config`.
        history: One dictionary for each step; nested values are nested dictionaries.
        summary: As it stands at the end.
        artifacts: Logged, in order.
        used: Inputs, in order: existing artifacts, and drafts given to ``use_artifact``.
        exit_code: None where the run was never closed.
        preempting: Whether ``mark_preempting`` was called.
        output: What went to stdout and stderr while the run captured it.
        files: Paths, relative to the run's ``files`` folder, that were to be uploaded.
        alerts: Title and text of each ``run.alert``.
        truncated: Whether the file ends in the middle of a record, as a killed process leaves it.
    """

    path: Path
    id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    start: datetime | None = None
    resume: bool | None = None
    config: dict[str, Any] = field(default_factory=dict)
    wandb_config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: list[OfflineArtifact] = field(default_factory=list)
    used: list[OfflineArtifact] = field(default_factory=list)
    exit_code: int | None = None
    preempting: bool = False
    output: str = ""
    files: list[str] = field(default_factory=list)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    truncated: bool = False

    @property
    def folder(self) -> Path:
        """The run's folder (``offline-run-...`` or ``run-...``)."""
        return self.path.parent

    def values(self, key: str) -> list[Any]:
        """All logged values of one metric, in the order of their steps."""
        return [row[key] for row in self.history if key in row]

    def artifact(self, name: str) -> OfflineArtifact:
        """The one logged artifact with this name.

        Raises:
            LookupError: There is none, or more than one.
        """
        found = [artifact for artifact in self.artifacts if artifact.name == name]
        if len(found) != 1:
            names = [artifact.name for artifact in self.artifacts]
            raise LookupError(f"{len(found)} artifacts are named {name!r} among {names}")
        return found[0]


def find_runs(folder: str | Path, patience: float = 0.5) -> list[OfflineRun]:
    """Every run below a folder, the earliest start first.

    Args:
        folder: The folder.
        patience: Seconds after which a run without an end is taken to have none: the client's service writes a run to
            its file a moment after it has said that the run is closed.
    """
    deadline = time.monotonic() + patience
    while True:
        runs = [read_run(path) for path in sorted(Path(folder).rglob("run-*.wandb"))]
        if all(run.exit_code is not None for run in runs) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    never = datetime.max.replace(tzinfo=timezone.utc)
    return sorted(runs, key=lambda run: run.start or never)


def read_run(path: str | Path) -> OfflineRun:
    """Read one run.

    Args:
        path: A ``.wandb`` file, or a run's folder that holds one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not begin as the client's files do.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(path.glob("*.wandb"))
        if len(found) != 1:
            raise FileNotFoundError(f"{len(found)} .wandb files in {path}; one is expected")
        path = found[0]
    messages, truncated = _messages(path.read_bytes(), path)
    run = OfflineRun(path=path, truncated=truncated)
    for record in _parse(messages):
        kind = record.WhichOneof("record_type")
        reader = _READERS.get(kind)
        if reader is not None:
            reader(run, getattr(record, kind))
    run.wandb_config = run.config.pop("_wandb", {})
    return run


def read_records(path: str | Path) -> Iterator[Any]:
    """Each message of a file as the client's own ``Record``, for what `OfflineRun` does not hold."""
    messages, _ = _messages(Path(path).read_bytes(), Path(path))
    return _parse(messages)


def _parse(messages: Iterable[bytes]) -> Iterator[Any]:
    # Its members are made when it is imported, so that a type checker sees none of them.
    schema: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    for message in messages:
        record = schema.Record()
        record.ParseFromString(message)
        yield record


def _messages(data: bytes, path: Path) -> tuple[list[bytes], bool]:
    """The whole messages of a log, and whether something incomplete follows them."""
    if data[: len(_HEADER)] != _HEADER[: len(data)]:
        raise ValueError(f"{path} is no .wandb file: it begins with {data[:7]!r}")
    messages: list[bytes] = []
    parts: list[bytes] = []
    at = len(_HEADER)
    while at < len(data):
        rest = _BLOCK - at % _BLOCK
        if rest < _CHUNK.size:
            at += rest
            continue
        if at + _CHUNK.size > len(data):
            return messages, True
        checksum, length, kind = _CHUNK.unpack_from(data, at)
        chunk = data[at + _CHUNK.size : at + _CHUNK.size + length]
        if len(chunk) < length or zlib.crc32(chunk, zlib.crc32(bytes([kind]))) != checksum:
            return messages, True
        at += _CHUNK.size + length
        parts = [chunk] if kind in (_WHOLE, _FIRST) else [*parts, chunk]
        if kind in (_WHOLE, _LAST):
            messages.append(b"".join(parts))
            parts = []
    return messages, bool(parts)


def _keys(item: Any) -> list[str]:
    return list(item.nested_key) or [item.key]


def _set(target: dict[str, Any], item: Any) -> None:
    *parents, last = _keys(item)
    for key in parents:
        if not isinstance(target.get(key), dict):
            target[key] = {}
        target = target[key]
    target[last] = json.loads(item.value_json)


def _remove(target: dict[str, Any], item: Any) -> None:
    *parents, last = _keys(item)
    for key in parents:
        target = target.get(key, {})
    target.pop(last, None)


def _apply(target: dict[str, Any], change: Any) -> None:
    for item in change.update:
        _set(target, item)
    for item in change.remove:
        _remove(target, item)


def _read_run(run: OfflineRun, record: Any) -> None:
    run.id, run.entity, run.project = record.run_id, record.entity, record.project
    run.name, run.group, run.job_type = record.display_name, record.run_group, record.job_type
    run.tags, run.notes = list(record.tags), record.notes
    run.start = record.start_time.ToDatetime(tzinfo=timezone.utc)
    run.resume = getattr(record, "resume", None)
    _apply(run.config, record.config)
    _apply(run.summary, record.summary)


def _read_config(run: OfflineRun, record: Any) -> None:
    _apply(run.config, record)


def _read_history(run: OfflineRun, record: Any) -> None:
    row: dict[str, Any] = {}
    for item in record.item:
        _set(row, item)
    run.history.append(row)


def _read_summary(run: OfflineRun, record: Any) -> None:
    _apply(run.summary, record)


def _read_artifact(run: OfflineRun, record: Any) -> None:
    entries = {
        entry.path: OfflineEntry(
            path=entry.path,
            digest=entry.digest,
            size=entry.size,
            local_path=Path(entry.local_path) if entry.local_path else None,
            ref=entry.ref or None,
        )
        for entry in record.manifest.contents
    }
    artifact = OfflineArtifact(
        name=record.name,
        type=record.type,
        aliases=list(record.aliases),
        tags=list(record.tags),
        metadata=json.loads(record.metadata) if record.metadata else {},
        description=record.description,
        digest=record.digest,
        client_id=record.client_id,
        entries=entries,
        manifest_file=Path(record.manifest.manifest_file_path) if record.manifest.manifest_file_path else None,
    )
    (run.used if record.use_after_commit else run.artifacts).append(artifact)


def _read_use(run: OfflineRun, record: Any) -> None:
    run.used.append(OfflineArtifact(name=record.name, type=record.type, id=record.id))


def _read_exit(run: OfflineRun, record: Any) -> None:
    run.exit_code = record.exit_code


def _read_preempting(run: OfflineRun, record: Any) -> None:
    run.preempting = True


def _read_output(run: OfflineRun, record: Any) -> None:
    run.output += record.line


def _read_files(run: OfflineRun, record: Any) -> None:
    run.files += [file.path for file in record.files]


def _read_alert(run: OfflineRun, record: Any) -> None:
    run.alerts.append((record.title, record.text))


_READERS = {
    "run": _read_run,
    "config": _read_config,
    "history": _read_history,
    "summary": _read_summary,
    "artifact": _read_artifact,
    "use_artifact": _read_use,
    "exit": _read_exit,
    "preempting": _read_preempting,
    "output": _read_output,
    "output_raw": _read_output,
    "files": _read_files,
    "alert": _read_alert,
}
