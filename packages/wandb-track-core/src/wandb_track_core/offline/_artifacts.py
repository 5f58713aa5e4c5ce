"""The artifacts of a run on the disk."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _schema


@dataclass
class Artifact:
    """An artifact that a run logged.

    Attributes:
        aliases: With "latest", as the client always has it.
        entries: Its files and references, each with `path`, `digest` (base64 of its MD5), `size` in bytes, `local_path`
            and `ref`. Empty for an artifact of an online run, of which only its name is known here.
        manifest_file: Where the client keeps the entries of a very large artifact.
    """

    name: str = ""
    type: str = ""
    digest: str = ""
    aliases: list[str] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list, repr=False)
    manifest_file: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(int(entry.size) for entry in self.entries)


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
        list(record.manifest.contents),
        record.manifest.manifest_file_path,
    )


def is_file(entry: Any) -> bool:
    """Whether an entry of an artifact is a file of this machine, rather than a reference."""
    return bool(entry.local_path and not entry.ref)


def md5_of(entry: Any) -> str:
    """The digest of an entry in hexadecimal."""
    try:
        return base64.b64decode(entry.digest).hex()
    except ValueError:
        return ""


def read_listing(path: Path) -> Iterator[Any]:
    """The entries of a very large artifact, which the client keeps in a file of their own."""
    with gzip.open(path, "rt") as lines:
        yield from map(entry_in, lines)


def entry_in(line: str) -> Any:
    """The entry in a line of such a file."""
    known = _schema.Entry.DESCRIPTOR.fields_by_name
    return _schema.Entry(**{key: value for key, value in json.loads(line).items() if key in known})
