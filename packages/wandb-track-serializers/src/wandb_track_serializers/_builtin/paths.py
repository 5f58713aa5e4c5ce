"""Files and folders, copied once when they are written: what happens to the originals later makes no difference."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wandb_track_serializers import _files
from wandb_track_serializers._kinds import class_name
from wandb_track_serializers._manifest import check_path
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, UnsupportedValueError


class PathFiles(Serializer):
    """The file, or the folder's tree. Links to what lies within the folder are followed; modes are not kept.

    Details: ``kind``, "file" or "folder"; ``empty``, the folders that hold nothing, which artifacts cannot hold.
    """

    id = "pathlib.files"
    types = ("pathlib:Path",)
    kind = "dataset"
    format = "files"
    safe = True
    in_place = True

    def write(self, value: Path, target: Target) -> None:
        """Copy what is there now."""
        copier = _Copier(value, target)
        try:
            copier.copy()
        except OSError as error:
            remedy = "choose what is there, make it readable, or leave it out"
            raise copier.error(error.filename or value, f"{error.strerror}: {remedy}") from error

    def read(self, source: Source) -> Path:
        """The path of the file or folder where it lies."""
        details = source.manifest.details
        if details.get("kind") != "folder":
            return Path(source.file.name)
        empty = details.get("empty", [])
        if not isinstance(empty, list) or not all(isinstance(path, str) for path in empty):
            raise IntegrityError(f"the manifest's list of empty folders is a {class_name(empty)}, not one of strings")
        source.directory.mkdir(parents=True, exist_ok=True)
        for path in empty:
            (source.directory / check_path(path)).mkdir(parents=True, exist_ok=True)
        return source.directory


class _Copier:
    def __init__(self, path: Path, target: Target) -> None:
        self._path = path
        self._target = target
        self._size = 0
        self._empty: list[str] = []

    def error(self, path: str | Path, reason: str) -> UnsupportedValueError:
        return UnsupportedValueError(self._target.name, class_name(self._path), reason, repr(os.fspath(path)))

    def copy(self) -> None:
        found = Path(os.path.realpath(self._path, strict=True))
        if not found.is_dir():
            self._file(str(found), self._path.name or found.name)
            self._target.details["kind"] = "file"
            return
        if self._target.directory.resolve().is_relative_to(found):
            raise self.error(self._path, "it holds the folder that it is to be copied to: write it somewhere else")
        self._folder(str(found), "", (str(found),))
        self._target.details.update({"kind": "folder"} | ({"empty": self._empty} if self._empty else {}))

    def _folder(self, folder: str, prefix: str, within: tuple[str, ...]) -> None:
        """Copy what is in a folder; `within` are the real paths of it and of those around it, outermost first."""
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        if not ordered and prefix:
            (self._target.directory / prefix).mkdir(parents=True, exist_ok=True)
            self._empty.append(prefix.rstrip("/"))
        for entry in ordered:
            real = entry.path
            if entry.is_symlink():
                real = os.path.realpath(real)
                if os.path.commonpath([real, within[0]]) != within[0]:
                    raise self.error(entry.path, f"it is a link out of the folder, to {real!r}: copy its target in")
                if real in within:
                    raise self.error(entry.path, "it is a link to a folder that it is in: remove it")
            if Path(real).is_dir():
                self._folder(real, f"{prefix}{entry.name}/", (*within, real))
            else:
                self._file(real, prefix + entry.name)

    def _file(self, source: str, path: str) -> None:
        """Copy one file, given by its real path."""
        try:
            path.encode()
            check_path(path)
        except (UnicodeEncodeError, IntegrityError):
            reason = "an artifact's path is UTF-8, holds no '\\' and does not begin like a drive, 'a:': rename it"
            raise self.error(source, reason) from None
        copy = self._target.directory / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        with _files.open_plain(source) as file:
            before = os.fstat(file.fileno())
            self._size += before.st_size
            self._target.check(self._size)
            shutil.copyfile(source, copy)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise self.error(source, "it was changed while it was copied: write it to its end first")
