"""The artifacts in a transaction log of the client, and where their files lie."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from . import _log


@dataclass
class Entry:
    """A file of an artifact: its path in the artifact, its digest (base64 of its MD5), size in bytes, and place."""

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
    """An artifact that a run logged; `manifest_file` is set where the client keeps its entries in a file."""

    name: str = ""
    type: str = ""
    digest: str = ""
    aliases: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    manifest_file: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


def read_artifact(contents: bytes) -> Artifact | None:
    """An artifact's record; None for a draft that a run declares as its input."""
    artifact = Artifact()
    for part in _log.fields(contents):
        if part.number == 4:
            artifact.type = part.text
        elif part.number == 5:
            artifact.name = part.text
        elif part.number == 6:
            artifact.digest = part.text
        elif part.number == 10 and part.value:
            return None
        elif part.number == 11:
            artifact.aliases.append(part.text)
        elif part.number == 12:
            for inner in _log.fields(part.value):
                if inner.number == 4:
                    artifact.entries.append(read_entry(inner.value))
                elif inner.number == 5:
                    artifact.manifest_file = inner.text
    return artifact


def read_entry(contents: bytes) -> Entry:
    """An entry of an artifact's manifest."""
    entry = Entry()
    for part in _log.fields(contents):
        if part.number == 1:
            entry.path = part.text
        elif part.number == 2:
            entry.digest = part.text
        elif part.number == 3:
            entry.ref = part.text
        elif part.number == 4:
            entry.size = part.value
        elif part.number == 6:
            entry.local_path = part.text
    return entry
