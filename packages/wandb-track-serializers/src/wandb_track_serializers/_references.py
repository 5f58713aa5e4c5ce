"""Artifacts that refer to files elsewhere, by size and ETag, and reading those files back.

fsspec finds and reads the files, so that all stores are reached in one way, with the user's own credentials. The wandb
client's handlers want boto3 or Google's credentials even where nothing is hashed.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from wandb_track_core import ArgumentError

from . import _files
from ._manifest import METADATA_KEY, FileEntry, Manifest, check_path
from ._values import Reading, guess, manifest_of, read, read_fetched, reader
from .errors import IntegrityError, LoadError, SerializerError, TooLargeError

if TYPE_CHECKING:
    import wandb

    from ._kinds import Kind

SCHEMES = ("s3", "gs", "abfs", "abfss", "file")
_PATHS = "pathlib.files"
_ETAGS = ("ETag", "etag", "md5Hash", "mtime")
"""What tells the contents of a file in fsspec's description of it: of S3, of Google and Azure, of a local file."""

OpenFilesystem = Callable[[str], Any]
"""Gives the fsspec file system of a URI."""


class RemoteFile(NamedTuple):
    """A file that an artifact refers to.

    Attributes:
        path: Its path in the artifact.
        uri: Where it is.
        size: In bytes.
        digest: Its ETag, or what else tells its contents.
    """

    path: str
    uri: str
    size: int
    digest: str


class Location(NamedTuple):
    """Where the bytes of a value are kept already, for an artifact that refers to them.

    Attributes:
        uri: Of a file or a folder: s3, gs, abfs or file.
        kind: The artifact's type.
        serializer: The id of the serializer that reads the files.
        class_name: The value's class.
        details: What the serializer needs.
        filesystem: Gives the fsspec file system of a URI; None for what fsspec finds by itself.
        files: The files, where they are known; None to look for them.
    """

    uri: str
    kind: Kind = "dataset"
    serializer: str = _PATHS
    class_name: str = "pathlib.Path"
    details: Mapping[str, Any] = MappingProxyType({})
    filesystem: OpenFilesystem | None = None
    files: Sequence[RemoteFile] | None = None

    @classmethod
    def of(cls, value: Any, filesystem: OpenFilesystem | None = None) -> Location:
        """The location that a user gave.

        Args:
            value: A URI, or the path of a local file or folder.
            filesystem: See the class.

        Raises:
            ArgumentError: It is neither.
        """
        if isinstance(value, os.PathLike):
            return cls(Path(value).resolve().as_uri(), filesystem=filesystem)
        if not isinstance(value, str) or urlsplit(value).scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            problem = f"must be a URI ({known}) or a Path with storage='reference'"
            raise ArgumentError("value", problem, value)
        return cls(value, filesystem=filesystem)

    @property
    def local(self) -> Path | None:
        """The path, where this is on the machine's own disk."""
        return _local(self.uri)

    def find(self) -> Sequence[RemoteFile]:
        """The files that are there: the one, or those in the folder. No byte of them is read.

        Raises:
            SerializerError: There is nothing at this location, or it cannot be reached.
        """
        if self.files is not None:
            return self.files
        uri = self.uri.rstrip("/")
        missing = SerializerError(f"{uri} does not exist: write it before you refer to it")
        with _opened(uri, self.filesystem, missing) as (filesystem, path):
            info = filesystem.info(path)
            if info["type"] != "directory":
                return [RemoteFile(path.rpartition("/")[2], uri, info["size"], _digest(info, uri))]
            root, found = info["name"].rstrip("/"), filesystem.find(path, detail=True)
        files = []
        for key, info in found.items():
            inside = key.removeprefix(f"{root}/")
            target = Path(path, inside).as_uri() if self.local else f"{uri}/{inside}"
            if not inside.endswith("/"):
                files.append(RemoteFile(inside, target, info["size"], _digest(info, target)))
        if not files:
            raise SerializerError(f"{uri} is an empty folder, and W&B keeps files only: write a file into it first")
        return files


def to_reference(
    name: str, location: Location, *, metadata: Mapping[str, Any] | None = None, description: str | None = None
) -> wandb.Artifact:
    """Make an artifact that refers to files elsewhere. No byte of them is read.

    Args:
        name: The artifact's name.
        location: Where the files are.
        metadata: Further metadata of the artifact.
        description: The artifact's description.

    Returns:
        A draft artifact. Its files have size and ETag; of a local file, size and time of the last change.

    Raises:
        SerializerError: There is nothing at this location, it cannot be reached, or there is no wandb or fsspec.
    """
    new_artifact = artifact_class()
    files = location.find()
    is_alone = len(files) == 1
    id, details = location.serializer, dict(location.details)
    if id == _PATHS or not is_alone:
        is_file = is_alone and files[0].uri == location.uri
        id, details = _PATHS, {"kind": "file" if is_file else "folder"}
    manifest = manifest_of(id, location.kind, name, location.class_name, details)
    artifact = new_artifact(name, type=location.kind, description=description)
    for file in files:
        # Of the client's handlers, that for HTTP alone wants neither a library nor credentials for an entry.
        (entry,) = artifact.add_reference("http://localhost", name=check_path(file.path), checksum=False)
        entry.ref, entry.size, entry.digest = file.uri, file.size, file.digest
        entry.extra = {"etag": file.digest}
    artifact.metadata = {**(metadata or {}), METADATA_KEY: manifest.to_json()}
    return artifact


def artifact_class() -> type[wandb.Artifact]:
    """The client's class of artifacts."""
    try:
        from wandb import Artifact  # a folder of runs is a package of that name, too
    except ImportError:
        raise SerializerError("artifacts need the client: pip install 'wandb-track-serializers[wandb]'") from None
    return Artifact


def read_reference(name: str, data: Any, files: Sequence[RemoteFile], how: Reading, origin: str) -> Any:
    """Read the value whose files an artifact refers to.

    Args:
        name: The artifact's name.
        data: Its manifest as JSON; None for an artifact from another program.
        files: What it refers to.
        how: The arguments of `from_artifact`.
        origin: What it is, for messages.

    Raises:
        IntegrityError: A file is missing, or not the one that was referred to.
        LoadError: It cannot be read; see `from_artifact` for the others.
    """
    listed = [FileEntry(check_path(file.path), "", file.size) for file in files]
    manifest = guess(name, listed) if data is None else Manifest.from_json(data)
    serializer = reader(manifest, how.trusted, origin)
    wanted = files if serializer.reads_files else []
    size = sum(file.size for file in wanted)
    if how.max_size is not None and size > how.max_size:
        raise TooLargeError(name, size, how.max_size, "raise max_size= if you trust its writer")

    def fetch(root: Path) -> Any:
        found = _files.parallel(lambda file: _fetched(file, root, how.filesystem, origin), wanted)
        return read(root, manifest._replace(files=tuple(found)), how, origin)[0]

    return read_fetched(how, fetch, serializer.in_place)


def _digest(info: Mapping[str, Any], uri: str) -> str:
    known = next((str(info[name]).strip('"') for name in _ETAGS if info.get(name)), "")
    return known or uri


def _fetched(file: RemoteFile, root: Path, filesystem: OpenFilesystem | None, origin: str) -> FileEntry:
    """Copy a file, and make sure that it is what the artifact refers to, also if it changes meanwhile."""
    copy = root / file.path
    copy.parent.mkdir(parents=True, exist_ok=True)
    missing = IntegrityError(f"{file.uri}, which {origin} refers to, does not exist: was it deleted?")
    with _opened(file.uri, filesystem, missing) as (store, path):
        if store.info(path)["size"] == file.size:
            store.get_file(path, str(copy))
            (entry,) = _files.hashed(root, [file.path])
            store.invalidate_cache()
            # The client keeps the MD5 of a local file, and the URI where nothing was hashed.
            known = (_digest(store.info(path), file.uri), base64.b64encode(bytes.fromhex(entry.md5)).decode(), file.uri)
            if entry.size == file.size and file.digest in known:
                return entry
    raise IntegrityError(f"{file.uri} was changed since {origin} referred to it: write the artifact again")


@contextmanager
def _opened(uri: str, filesystem: OpenFilesystem | None, if_missing: SerializerError) -> Iterator[tuple[Any, str]]:
    """The file system of a URI, and what to call the URI there; what fails there is put into words."""
    if urlsplit(uri).scheme not in SCHEMES:
        raise LoadError(f"{uri} is unsupported: use a URI of {', '.join(SCHEMES)}")
    try:
        import fsspec
    except ModuleNotFoundError:
        raise LoadError("references need fsspec: pip install 'wandb-track-serializers[references]'") from None
    try:
        opened = fsspec.core.url_to_fs(uri)[0] if filesystem is None else filesystem(uri)
        opened.invalidate_cache()
        yield opened, str(_local(uri) or uri)
    except FileNotFoundError:
        raise if_missing from None
    except SerializerError:
        raise
    except Exception as error:
        raise LoadError(f"{uri} cannot be reached: {error} ({type(error).__name__})") from error


def _local(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
