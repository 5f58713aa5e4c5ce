"""The manifest: what was written, by what, and the hashes that its files must have.

Version 1 is a JSON object with these keys. It lies in an artifact's metadata under ``wandb_track`` and beside dumped
files in ``wandb_track.json``.

- ``manifest``: 1, the version of this layout;
- ``serializer``, ``format_version``: which serializer wrote the files, and its version of the format;
- ``kind``: "dataset", "model" or "other"; ``name``; ``class``: the value's class;
- ``written_by``: the distribution that wrote it, and its version; ``versions``: of Python and of the libraries;
- ``files``: a list of ``path``, ``md5`` (hexadecimal) and ``size`` (bytes). In an artifact's metadata, where there
  are more than 1,000, ``files_md5`` and ``files_count`` stand in their place: the artifact itself lists them;
- ``details``: what the serializer itself needs; ``notes``: sentences for a reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._kinds import KINDS
from .errors import IntegrityError, LoadError

if TYPE_CHECKING:
    from ._kinds import Kind

LAYOUT = 1
FILE_NAME = "wandb_track.json"
METADATA_KEY = "wandb_track"
"""The key of an artifact's metadata that holds the manifest."""
LISTED = 1_000
"""The most files that an artifact's metadata lists."""

_SHOWN = 500
_TYPES: dict[str, type] = {
    **dict.fromkeys(("serializer", "kind", "name", "class", "written_by"), str),
    **{"format_version": int, "versions": dict},
}
_MD5 = re.compile("[0-9a-f]{32}")


class FileEntry(NamedTuple):
    """One file of a value.

    Attributes:
        path: Relative to the value's folder, with forward slashes.
        md5: Of the contents, hexadecimal: what the client itself computes, for finding damage, not for trust.
        size: In bytes.
    """

    path: str
    md5: str
    size: int


class Manifest(NamedTuple):
    """What was written, and by what.

    Attributes:
        serializer: The id of the serializer.
        format_version: Its version of the format.
        kind: "dataset", "model" or "other".
        name: The value's name.
        class_name: The value's class, with its module.
        files: What the value consists of, by path.
        written_by: The distribution that wrote it and its version; empty where it is not known.
        versions: Of Python and of the libraries that the value comes from.
        details: What the serializer needs for reading.
        notes: Sentences for a reader, such as why a frame was pickled.
    """

    serializer: str
    format_version: int
    kind: Kind
    name: str
    class_name: str
    files: tuple[FileEntry, ...] = ()
    written_by: str = ""
    versions: Mapping[str, str] = MappingProxyType({})
    details: Mapping[str, Any] = MappingProxyType({})
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def to_json(self, most_files: int | None = None) -> dict[str, Any]:
        """The manifest as an object of JSON.

        Args:
            most_files: Where there are more files than this, give their number and common hash in place of the list.
        """
        data = {"manifest": LAYOUT, **self._asdict()}
        data |= {"versions": dict(self.versions), "details": dict(self.details), "notes": list(self.notes)}
        data["class"] = data.pop("class_name")
        data["files"] = [file._asdict() for file in self.files]
        if most_files is not None and len(self.files) > most_files:
            data |= {"files_md5": digest(self.files), "files_count": len(data.pop("files"))}
        return data

    @classmethod
    def from_json(cls, data: object, listing: Iterable[FileEntry] = ()) -> Manifest:
        """Read a manifest that somebody else wrote.

        Args:
            data: An object of JSON, not trusted to be one of ours.
            listing: The files as the artifact lists them, for a manifest that holds only their common hash.

        Returns:
            The manifest, with every field of the right type, no path twice and none that leaves its folder.

        Raises:
            IntegrityError: It is no manifest, or asks for what no manifest may.
            LoadError: It was written by a later version of this package.
        """
        fields: dict[str, Any] = _typed(data, dict, "the manifest")
        layout = _field(fields, "manifest", int)
        if layout > LAYOUT:
            raise LoadError(
                f"the manifest has layout {layout} (written by {str(fields.get('written_by'))[:100]!r}); this version"
                f" reads up to {LAYOUT}: upgrade wandb-track-serializers"
            )
        found = {key: _field(fields, key, kind) for key, kind in _TYPES.items()}
        if found["kind"] not in KINDS:
            raise IntegrityError(f"the manifest's kind is {found['kind'][:100]!r}, not 'dataset', 'model' or 'other'")
        found["versions"] = {key: _typed(value, str, f"version of {key}") for key, value in found["versions"].items()}
        return cls(
            class_name=found.pop("class"),
            files=_files(fields, tuple(listing)),
            details=_typed(fields.get("details", {}), dict, "the manifest's 'details'"),
            notes=tuple(map(str, _typed(fields.get("notes", []), list, "the manifest's 'notes'"))),
            **found,
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> Manifest:
        """Read a manifest from JSON text, as `from_json` does."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"the manifest is no JSON: {error}") from None
        return cls.from_json(data)


def digest(files: Sequence[FileEntry]) -> str:
    """One hash for a list of files: of "path:md5" lines, by path."""
    import hashlib

    lines = "".join(f"{file.path}:{file.md5}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.md5(lines.encode(), usedforsecurity=False).hexdigest()


def check_path(path: str) -> str:
    """Return a relative path with forward slashes that stays within its folder on every system.

    Raises:
        IntegrityError: It does not.
    """
    parts = path.split("/")
    bad = any(part in ("", ".", "..") for part in parts) or any(char in path for char in "\\\0")
    if bad or re.match("[A-Za-z]:", path):
        raise IntegrityError(f"{path[:200]!r} is no path within the value's own folder: nothing was read or written")
    return path


def _files(data: dict[str, Any], listing: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    if "files" not in data:
        if digest(listing) != _field(data, "files_md5", str):
            raise IntegrityError("the manifest's 'files_md5' is not that of the artifact's files")
        return listing
    files: dict[str, FileEntry] = {}
    for item in _field(data, "files", list):
        item = _typed(item, dict, "an entry of the manifest's 'files'")
        path = check_path(_field(item, "path", str))
        md5, size = _field(item, "md5", str), _field(item, "size", int)
        if not _MD5.fullmatch(md5) or size < 0 or path in files:
            raise IntegrityError(f"the manifest's entry for {path[:200]!r} is malformed, or there twice")
        files[path] = FileEntry(path, md5, size)
    return tuple(files.values())


def _field(data: dict[str, Any], key: str, kind: type) -> Any:
    """What stands under a key; if that can be shown, without what would steer a terminal, and not without end."""
    value = _typed(data.get(key), kind, f"the manifest's {key!r}")
    if key not in ("name", "class", "written_by"):
        return value
    text = "".join(char if char.isprintable() else "?" for char in value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _typed(value: object, kind: type, what: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise IntegrityError(f"{what} is of type {type(value).__name__}, not {kind.__name__}")
    return value
