"""What the stand-in server knows, as plain data that a test reads directly."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

RunKey: TypeAlias = tuple[str, str, str]
"""Entity, project and id of a run."""

CollectionKey: TypeAlias = tuple[str, str, str]
"""Entity, project and name of an artifact collection."""


class ServerError(Exception):
    """An answer other than success.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class StoredFile:
    """The contents of one uploaded file, kept on disk.

    Attributes:
        path: Where the bytes lie.
        size: In bytes.
        md5: Of the contents, base64, as W&B writes digests.
    """

    path: Path
    size: int
    md5: str

    @property
    def contents(self) -> bytes:
        """The bytes."""
        return self.path.read_bytes()

    @property
    def text(self) -> str:
        """The bytes as UTF-8."""
        return self.path.read_text()


@dataclass
class Use:
    """An edge: a run has an artifact as its input."""

    artifact: Artifact
    used_as: str | None


@dataclass
class Run:
    """One run.

    Attributes:
        config: Without the client's own ``_wandb`` key, which is `wandb_config`.
        history: One dictionary for each row of the client's ``wandb-history.jsonl``.
        events: System metrics, likewise.
        output: Console lines, without the time stamps that the client puts before them.
        exit_code: None while the run is open.
        preempting: Whether the run was marked so since it was last opened.
        opened: How often it was opened: once, and once more for every later ``init`` with its id.
        resumed: How often a client asked for what is there in order to go on.
        keys: The API keys with which it was written.
        files: What was uploaded, by name.
        logged: Artifacts that it made, in order.
        logged_again: Artifacts whose contents it logged, but which another run (or it) had made before.
        used: Artifacts that it used, in order.
        alerts: Title and text.
        written: In shared mode, how many lines of a file each writer has sent, by its id and the file's name.
        settled: A state that was set through the public API, in place of what the run reported.
    """

    entity: str
    project: str
    id: str
    number: int
    display_name: str = ""
    description: str = ""
    notes: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    host: str = ""
    program: str = ""
    commit: str = ""
    sweep: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    wandb_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    exit_code: int | None = None
    preempting: bool = False
    written: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)
    settled: str | None = None
    stop_requested: bool = False
    opened: int = 0
    resumed: int = 0
    keys: set[str] = field(default_factory=set)
    files: dict[str, StoredFile] = field(default_factory=dict)
    logged: list[Artifact] = field(default_factory=list)
    logged_again: list[Artifact] = field(default_factory=list)
    used: list[Use] = field(default_factory=list)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    heartbeat: datetime = field(default_factory=now)

    @property
    def key(self) -> RunKey:
        """Entity, project and id."""
        return self.entity, self.project, self.id

    @property
    def storage_id(self) -> str:
        """The server's own id of the run."""
        return encode_id("Run", "v1", self.id, self.project, self.entity)

    @property
    def state(self) -> str:
        """One of running, preempting, preempted, finished, failed, or what the public API set."""
        if self.settled is not None:
            return self.settled
        if self.exit_code is None:
            return "preempting" if self.preempting else "running"
        if self.exit_code == 0:
            return "finished"
        return "preempted" if self.preempting else "failed"

    def open(self) -> None:
        """Start, or start again: what the last end said no longer holds."""
        self.opened += 1
        self.exit_code = self.settled = None
        self.preempting = self.stop_requested = False

    def values(self, name: str) -> list[Any]:
        """All logged values of one metric, in the order of the rows."""
        return [row[name] for row in self.history if name in row]


@dataclass
class Manifest:
    """A manifest that was announced; file and document are there once it was uploaded."""

    id: str
    digest: str
    type: str
    file: StoredFile | None = None
    document: dict[str, Any] = field(default_factory=dict)

    def receive(self, stored: StoredFile) -> None:
        """Take in the uploaded file."""
        self.file = stored
        self.document = json.loads(stored.contents)


@dataclass
class Artifact:
    """One version of an artifact.

    Attributes:
        index: The number after the ``v``; None until it is committed.
        state: PENDING, COMMITTED or DELETED.
        run: The run that made it; None where it was made without one.
    """

    id: str
    collection: Collection
    digest: str
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    digest_algorithm: str = "MANIFEST_MD5"
    client_id: str = ""
    index: int | None = None
    state: str = "PENDING"
    run: Run | None = None
    ttl_seconds: int = -1
    history_step: int | None = None
    manifests: list[Manifest] = field(default_factory=list)
    pending_aliases: list[str] = field(default_factory=list)
    used_by: list[Run] = field(default_factory=list)
    created: datetime = field(default_factory=now)

    @property
    def aliases(self) -> list[str]:
        """Names that point at this version now, sorted."""
        return sorted(name for name, artifact in self.collection.aliases.items() if artifact is self)

    @property
    def type(self) -> str:
        """The type of its collection."""
        return self.collection.type

    @property
    def name(self) -> str:
        """``collection:v0``, as the client calls it."""
        return f"{self.collection.name}:v{self.index}"

    @property
    def manifest(self) -> dict[str, Any]:
        """The current manifest as the client wrote it; {} before one was uploaded."""
        current = self.current_manifest
        return {} if current is None else current.document

    @property
    def current_manifest(self) -> Manifest | None:
        """The last manifest that was uploaded."""
        return next((m for m in reversed(self.manifests) if m.file is not None), None)

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The manifest's entries by path: digest, size, and ``ref`` for a reference."""
        entries: dict[str, dict[str, Any]] = self.manifest.get("contents", {})
        return entries

    @property
    def files(self) -> dict[str, StoredFile]:
        """Contents by path, of the entries whose contents are here."""
        found = {path: self.stored(path) for path in self.entries}
        return {path: stored for path, stored in found.items() if stored is not None}

    @property
    def missing(self) -> list[str]:
        """Paths whose contents were never uploaded, references aside."""
        return [path for path, entry in self.entries.items() if "ref" not in entry and path not in self.files]

    def stored(self, path: str) -> StoredFile | None:
        """The contents of one entry."""
        return self.collection.blobs.get((self.collection.entity, self.entries[path]["digest"]))


@dataclass
class Collection:
    """The versions of one artifact name in a project.

    Attributes:
        aliases: Name to version, the version numbers (``v0``) aside.
        artifacts: All versions in the order in which they were created, pending ones included.
        blobs: The server's stored files by entity and md5.
    """

    entity: str
    project: str
    name: str
    type: str
    number: int
    description: str = ""
    tags: list[str] = field(default_factory=list)
    aliases: dict[str, Artifact] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    blobs: Mapping[tuple[str, str], StoredFile] = field(default_factory=dict, repr=False)
    created: datetime = field(default_factory=now)

    @property
    def key(self) -> CollectionKey:
        """Entity, project and name."""
        return self.entity, self.project, self.name

    @property
    def id(self) -> str:
        """The server's own id."""
        return encode_id("ArtifactCollection", str(self.number))

    @property
    def versions(self) -> list[Artifact]:
        """What was committed and not deleted, v0 first."""
        committed = [artifact for artifact in self.artifacts if artifact.state == "COMMITTED"]
        return sorted(committed, key=lambda artifact: artifact.index or 0)

    @property
    def latest(self) -> Artifact | None:
        """What ``latest`` points at."""
        return self.aliases.get("latest")

    def find(self, alias: str) -> Artifact | None:
        """A version by its alias or its number (``v3``)."""
        if alias in self.aliases:
            return self.aliases[alias]
        return next((version for version in self.versions if f"v{version.index}" == alias), None)


def encode_id(*parts: str) -> str:
    return base64.b64encode(":".join(parts).encode()).decode()
