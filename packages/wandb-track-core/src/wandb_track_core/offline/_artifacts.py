"""The artifacts of a run on the disk."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """A file of an artifact: its path in the artifact, its digest (base64 of its MD5), size in bytes, place."""

    path: str = ""
    digest: str = ""
    size: int = 0
    local_path: str = ""
    ref: str = ""

    @property
    def md5(self) -> str:
        """The digest in hexadecimal."""
        try:
            return base64.b64decode(self.digest).hex()
        except ValueError:
            return ""


@dataclass
class Artifact:
    """An artifact that a run logged.

    Attributes:
        aliases: With "latest", as the client always has it.
        entries: Its files and references. Empty for an artifact of an online run, of which only its name is known here.
        manifest_file: Where the client keeps the entries of a very large artifact.
    """

    name: str = ""
    type: str = ""
    digest: str = ""
    aliases: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list, repr=False)
    manifest_file: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


@dataclass
class Input:
    """A version of an artifact that a run consumed.

    Attributes:
        name: Its name; "entity/project/name" where it is not the run's own project.
        alias: The version, or an alias of exactly this version.
        type: Empty where it was not known.
    """

    name: str
    alias: str
    type: str = ""


def artifact_of(record: Any) -> Artifact | None:
    """An artifact's record in a log; None for a draft that a run declares as its input."""
    if record.use_after_commit:
        return None
    return Artifact(
        record.name,
        record.type,
        record.digest,
        list(record.aliases),
        [entry_of(entry) for entry in record.manifest.contents],
        record.manifest.manifest_file_path,
    )


def entry_of(record: Any) -> Entry:
    """An entry of an artifact's manifest."""
    return Entry(record.path, record.digest, record.size, record.local_path, record.ref)


def read_listing(path: Path) -> Iterator[Entry]:
    """The entries of a very large artifact, which the client keeps in a file of their own."""
    with gzip.open(path, "rt") as lines:
        for item in map(json.loads, lines):
            yield Entry(
                item["path"], item["digest"], item.get("size", 0), item.get("local_path", ""), item.get("ref", "")
            )
