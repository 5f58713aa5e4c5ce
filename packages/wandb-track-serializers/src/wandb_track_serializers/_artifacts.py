"""Values as artifacts of the W&B client, and back."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _files
from ._kinds import class_name
from ._manifest import LISTED, METADATA_KEY, FileEntry, Manifest, check_path
from ._references import OpenFilesystem, RemoteFile, artifact_class, read_reference
from ._registry import kind_of
from ._values import Reading, check_name, dump_hashed, guess, read, read_fetched, reader
from .errors import IntegrityError, LoadError, UntrustedError

if TYPE_CHECKING:
    import wandb


def to_artifact(
    name: str,
    value: Any,
    *,
    datasets: bool = False,
    models: bool = False,
    others: bool = False,
    format: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    max_size: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    description: str | None = None,
) -> wandb.Artifact | None:
    """Write a value and make the artifact that holds it; logging it is up to you.

    The value is written once and hashed once. What the caller does with the value, or with the file or folder that a
    path names, makes no difference after this returns.

    Args:
        name: The artifact's name, which is the file's too: 1 to 128 of ``A-Za-z0-9_.-``.
        value: Any value.
        datasets: Whether frames, tables and paths are wanted.
        models: Whether torch modules and scikit-learn estimators are wanted.
        others: Whether everything else that pickles is wanted.
        format: As in `dump`.
        directory: A new or empty folder for the files, which are read-only there and are not copied again. It has to
            stay until they are uploaded: for an offline run, until that is synced. None to have the client keep a
            copy of its own in its staging area.
        max_size: As in `dump`.
        metadata: Further metadata of the artifact.
        description: The artifact's description.

    Returns:
        A draft artifact of type "dataset", "model" or "other"; None where values of this kind are not wanted, and
        for what `kind_of` puts into the summary.

    Raises:
        SerializerError: The value cannot be written (see `dump`), or there is no wandb.
        ValueError: `name`, `format` or `metadata` is not possible.
        FileExistsError: `directory` is not empty.
    """
    check_name(name)
    if METADATA_KEY in (metadata or {}):
        raise ValueError(f"metadata holds the key {METADATA_KEY!r}, which is the manifest's: use another")
    wanted = {"dataset": datasets, "model": models, "other": others}
    kind = kind_of(value)
    if not wanted.get(kind):
        return None
    new_artifact = artifact_class()
    is_temporary = directory is None
    home: Any = tempfile.TemporaryDirectory(prefix="wandb-track-") if is_temporary else nullcontext(directory)
    artifact = new_artifact(name, type=kind, description=description)

    def add(folder: Path, paths: list[str]) -> list[FileEntry]:
        return _files.parallel(lambda path: _added(artifact, folder, path, is_temporary), paths)

    try:
        with home as root:
            manifest = dump_hashed(value, root, name, format, max_size, add)
    except BaseException:
        if is_temporary:  # the client has copied some already
            for entry in artifact.manifest.entries.values():
                Path(entry.local_path or "").unlink(missing_ok=True)
        raise
    artifact.metadata = {**(metadata or {}), METADATA_KEY: manifest.to_json(LISTED)}
    return artifact


def _added(artifact: wandb.Artifact, folder: Path, path: str, is_copied: bool) -> FileEntry:
    """Add a file, which the client hashes, to an artifact."""
    file = folder / path
    file.chmod(0o444)
    policy: Literal["mutable", "immutable"] = "mutable" if is_copied else "immutable"
    entry = artifact.add_file(str(file), name=path, skip_cache=True, policy=policy)
    return FileEntry(path, _md5(entry), file.stat().st_size)


def from_artifact(
    artifact: wandb.Artifact,
    trusted: bool = False,
    *,
    directory: str | os.PathLike[str] | None = None,
    max_size: int | None = None,
    filesystem: OpenFilesystem | None = None,
) -> Any:
    """Download an artifact and read the value in it.

    Args:
        artifact: A logged artifact, such as `run.use_artifact` and `wandb.Api().artifact` return. One that has no
            manifest, from another program, is read by the name of its file, or is a path.
        trusted: As in `load`.
        directory: Where to download to: a new or empty folder. None for a temporary one; for a path, which needs its
            files, the client's own place for the artifact, or, for a reference, a new folder that stays.
        max_size: As in `load`.
        filesystem: For an artifact that refers to files elsewhere: gives the fsspec file system of a URI. None for
            what fsspec finds by itself.

    Returns:
        The value.

    Raises:
        UntrustedError: Reading would run code, and `trusted` is not set; nothing was downloaded if that was known
            beforehand.
        IntegrityError: The files are not those of the manifest, or the manifest not that of the artifact; or a file
            that it refers to is missing or was changed.
        TooLargeError: The value takes more than `max_size`.
        LoadError: It cannot be read, or is not logged yet.
        TypeError: `artifact` is no artifact.
    """
    if not callable(getattr(artifact, "download", None)):
        raise TypeError(f"artifact is of type {class_name(artifact)}: give a wandb.Artifact, as use_artifact returns")
    if artifact.is_draft():
        raise LoadError(
            f"artifact {artifact.name!r} is a draft that no server holds: wait() for it, or, in an offline run,"
            " load() the directory that was given to to_artifact"
        )
    origin = f"artifact {artifact.qualified_name}"
    name, data = artifact.name.partition(":")[0], artifact.metadata.get(METADATA_KEY)
    entries = _entries(artifact)
    how = Reading(trusted, max_size, directory, filesystem)
    if len(entries) < len(artifact.manifest.entries):
        with _named_author(artifact):
            return read_reference(name, data, _references(artifact, origin), how, origin)
    manifest = guess(name, entries) if data is None else Manifest.from_json(data, entries)

    def fetch(root: Path | None) -> Any:
        for skip_cache in (False, True):
            folder = Path(artifact.download(root=root and str(root), skip_cache=skip_cache)).absolute()
            try:
                return read(folder, manifest, how, origin)[0]
            except IntegrityError:  # the client takes a file from its cache if only the size is right
                if skip_cache:
                    raise
                for file in manifest.files:
                    (folder / file.path).unlink(missing_ok=True)
        raise AssertionError("the second round returns or raises")

    with _named_author(artifact):
        if reader(manifest, trusted, origin).in_place and directory is None:
            return fetch(None)
        return read_fetched(how, fetch)


def _entries(artifact: wandb.Artifact) -> list[FileEntry]:
    return [
        FileEntry(check_path(str(path)), _md5(entry), entry.size or 0)
        for path, entry in artifact.manifest.entries.items()
        if entry.ref is None
    ]


def _references(artifact: wandb.Artifact, origin: str) -> list[RemoteFile]:
    files = []
    for path, entry in artifact.manifest.entries.items():
        if entry.ref is None:
            raise LoadError(f"{origin} holds both files and references to files elsewhere: download() it yourself")
        if not entry.size and entry.digest == entry.ref:
            reason = f"nothing tells whether {entry.ref} is what it refers to"
            raise LoadError(f"{origin} was logged with checksum=False, so {reason}: download() it yourself")
        files.append(RemoteFile(str(path), str(entry.ref), entry.size or 0, str(entry.digest)))
    return files


def _md5(entry: Any) -> str:
    """The hash of a file in hexadecimal; empty where the client hashed in another way."""
    with suppress(ValueError):
        return "" if entry.extra.get("alg") else base64.b64decode(entry.digest).hex()
    return ""


@contextmanager
def _named_author(artifact: wandb.Artifact) -> Iterator[None]:
    """Have an error about missing trust tell who logged the artifact."""
    try:
        yield
    except UntrustedError as error:
        author = ""
        with suppress(Exception):  # for a better message only
            run: Any = artifact.logged_by()
            author = f". It was logged by {run.user.username} in the run {'/'.join(run.path)}"
        raise UntrustedError(f"{error}{author}", error.serializer, error.class_name) from None
