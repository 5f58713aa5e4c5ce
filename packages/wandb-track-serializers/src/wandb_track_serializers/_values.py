"""Values to a folder and back: ``wandb_track.json``, the manifest, beside ``files``, what the value consists of.

The manifest is written last, in one step: a folder without one holds no value, or half of one.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _files
from ._kinds import attribute, class_name
from ._manifest import FILE_NAME, FileEntry, Manifest
from ._registry import by_id, find
from ._serializer import Serializer, Source, Target
from .errors import (
    IntegrityError,
    LoadError,
    NotRepresentableError,
    RegistrationError,
    SerializerError,
    UnsupportedValueError,
    UntrustedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._kinds import Kind

FILES = "files"
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_\-.]{1,128}")
_log = logging.getLogger("wandb_track_serializers")
_BY_SUFFIX = {
    ".npy": "numpy.npy",
    ".safetensors": "torch.safetensors",
    ".skops": "sklearn.skops",
    ".pkl": "builtins.pickle",
}
_FRAMES = ("pandas", "polars", "pyarrow")
_said: set[str] = set()


class Reading(NamedTuple):
    """How a value is to be read: what the arguments of the public functions say.

    Attributes:
        trusted: Whether code that comes with the files may be run.
        max_size: The most bytes of memory; None for as much as the machine has.
        directory: Where to put files that are elsewhere; None for a temporary folder.
        filesystem: Gives the fsspec file system of a URI; None for what fsspec finds by itself.
    """

    trusted: bool
    max_size: int | None = None
    directory: str | os.PathLike[str] | None = None
    filesystem: Callable[[str], Any] | None = None


def dump(
    value: Any,
    directory: str | os.PathLike[str],
    name: str = "value",
    *,
    format: str | None = None,
    max_size: int | None = None,
) -> Manifest:
    """Write a value to a folder of its own.

    Args:
        value: Any value. It is left as it is.
        directory: The folder; new, or empty. Afterwards it holds ``wandb_track.json``, the manifest, and in
            ``files`` what the value consists of.
        name: What its file is called, without a suffix: 1 to 128 of ``A-Za-z0-9_.-``.
        format: How to write it, where there are several ways: "pickle", "safetensors", "skops" or a plug-in's;
            None for the usual one.
        max_size: The most bytes to write; None for no limit.

    Returns:
        The manifest.

    Raises:
        UnsupportedValueError: The value cannot be written; the message names the part of it that cannot.
        TooLargeError: It is larger than `max_size`.
        FileExistsError: The folder is not empty.
        ValueError: `name` or `format` is not possible.
    """
    return dump_hashed(value, directory, name, format, max_size, _files.hashed)


def check_name(name: object) -> None:
    """Refuse a name that neither a file nor an artifact can have."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}, of type {class_name(name)}: use 1 to 128 of A-Z, a-z, 0-9, '_', '.', '-'")


def dump_hashed(
    value: Any,
    directory: str | os.PathLike[str],
    name: str,
    format: str | None,
    max_size: int | None,
    hashed: Callable[[Path, list[str]], list[FileEntry]],
) -> Manifest:
    """Write a value as `dump` does, with hashes from a function that takes the folder and the paths in it."""
    check_name(name)
    serializers, kind = find(value, format)
    root = Path(directory).absolute()
    new = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(f"directory {str(root)!r} is not empty: give each value a new folder")
    target = Target(root / FILES, name, max_size)
    try:
        target.directory.mkdir()
        manifest = write(value, target, serializers, kind)
        files = hashed(target.directory, list(_files.sizes(target.directory)))
        manifest = manifest._replace(files=tuple(files))
        partial = root / f"{FILE_NAME}.partial"
        partial.write_text(json.dumps(manifest.to_json(), indent=1, ensure_ascii=True) + "\n")
        partial.replace(root / FILE_NAME)
        return manifest
    except BaseException:
        shutil.rmtree(target.directory, ignore_errors=True)
        (root / f"{FILE_NAME}.partial").unlink(missing_ok=True)
        with suppress(OSError):
            for folder in new:
                folder.rmdir()
        raise


def load(
    directory: str | os.PathLike[str],
    manifest: Manifest | None = None,
    trusted: bool = False,
    *,
    max_size: int | None = None,
) -> Any:
    """Read a value back.

    Args:
        directory: A folder that `dump` or `to_artifact` wrote, or one with the files of a downloaded artifact.
        manifest: What the files are; None to take the one in the folder. Without any, a lone file is read by its
            suffix, and everything else is a path.
        trusted: Whether you trust whoever wrote the files: pickles run whatever code is in them. Formats that hold
            data alone are read either way.
        max_size: The most bytes of memory that the value may take; None for as much as the machine has.

    Returns:
        The value. A path is that of the files themselves: copy what you want to change.

    Raises:
        UntrustedError: Reading would run code, and `trusted` is not set.
        IntegrityError: The files are not those of the manifest.
        TooLargeError: The value takes more than `max_size`.
        LoadError: They cannot be read; the message names the versions.
        FileNotFoundError: There is no such folder.
    """
    root = Path(directory).absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"directory {str(root)!r} is no folder that is there: give one that dump() wrote")
    own = root / FILE_NAME
    if manifest is None and own.is_file():
        manifest = Manifest.from_text(_read(own))
        root /= FILES
    elif manifest is None:
        if {path.name for path in root.iterdir()} - {f"{FILE_NAME}.partial"} == {FILES}:
            raise IntegrityError(
                f"{str(root)!r} holds no manifest, so the value was never written to its end: write it again"
            )
        manifest = guess(root.name, _files.hashed(root, _files.sizes(root)))
    elif own.is_file() and FILE_NAME not in {file.path for file in manifest.files}:
        root /= FILES
    return read(root, manifest, Reading(trusted, max_size), str(directory))[0]


def read_fetched(how: Reading, fetch: Callable[[Path], Any], in_place: bool = False) -> Any:
    """Return the value that `fetch` reads from the files which it puts into a folder.

    A temporary folder stays only for a value that refers to the files themselves, such as a path.
    """
    root = Path(tempfile.mkdtemp(prefix="wandb-track-") if how.directory is None else how.directory).absolute()
    value = None
    try:
        value = fetch(root)
        return value
    finally:
        if how.directory is None and not (isinstance(value, Path) or (in_place and value is not None)):
            shutil.rmtree(root, ignore_errors=True)


def read(root: Path, manifest: Manifest, how: Reading, origin: str) -> tuple[Any, int]:
    """Verify a value's files and read them; returns the value, and how many bytes it takes, as far as it is known.

    Args:
        root: Where the files lie.
        manifest: What they are.
        how: What is trusted, and how large it may be.
        origin: Where they come from, for messages.
    """
    serializer = reader(manifest, how.trusted, origin)
    own = [file for file in manifest.files if not (serializer.in_parts and "/" in file.path)]
    handle = _files.verify(root, own, nothing_else=serializer.in_place)
    source = Source(root, manifest, how.trusted, _memory() if how.max_size is None else how.max_size, handle)
    try:
        return serializer.read(source), source.checked
    except SerializerError:
        raise
    except Exception as error:
        if needed := _needed(error, serializer):
            raise LoadError(f"reading {manifest.name!r} from {origin} needs {needed}") from None
        raise LoadError(
            f"{manifest.name!r} ({manifest.class_name}) from {origin} cannot be read: {error} ({class_name(error)})."
            f" It was written with {_versions(manifest.versions)}; here there is"
            f" {_versions(_installed(serializer, manifest.versions))}"
        ) from error
    finally:
        if handle is not None:
            handle.close()


def reader(manifest: Manifest, trusted: bool, origin: str) -> Serializer:
    """The serializer that may read what a manifest says.

    Raises:
        LoadError: There is none, or only an older one.
        UntrustedError: It would run code, and nobody said that this is wanted.
    """
    serializer = by_id(manifest.serializer)
    if serializer is None:
        raise LoadError(
            f"{manifest.name!r} from {origin} was written by the serializer {manifest.serializer!r} of"
            f" {manifest.written_by or 'an unknown distribution'}, which is not installed here: install it"
        )
    if manifest.format_version > serializer.version:
        raise LoadError(
            f"{manifest.name!r} from {origin} has version {manifest.format_version} of the format"
            f" {manifest.serializer!r} (written by {manifest.written_by}); the one installed here reads up to"
            f" {serializer.version}: upgrade it"
        )
    if not (serializer.safe or trusted):
        raise UntrustedError(
            f"{manifest.name!r} from {origin} is a {serializer.format} of {manifest.class_name}, written by"
            f" {manifest.written_by or 'an unknown program'}. Reading it runs whatever code its author put there."
            " If you trust the author, pass trusted=True",
            serializer.id,
            manifest.class_name,
        )
    return serializer


def write(value: Any, target: Target, serializers: Sequence[Serializer], kind: Kind) -> Manifest:
    """Write a value in the first format that keeps it; returns its manifest, without the files."""
    for number, serializer in enumerate(serializers):
        try:
            serializer.write(value, target)
            json.dumps(target.details)
            target.check(sum(_files.sizes(target.directory).values()))
            manifest = manifest_of(serializer.id, kind, target.name, class_name(value), target.details)
            versions = _installed(serializer, [type(value).__module__.partition(".")[0]])
            return manifest._replace(versions=versions, notes=tuple(target.notes))
        except NotRepresentableError as error:
            if number + 1 == len(serializers):
                raise UnsupportedValueError(target.name, class_name(value), str(error)) from error
            _pass_on(value, target, str(error))
        except (SerializerError, OSError, MemoryError):
            raise
        except Exception as error:
            reason = f"{serializer.id} failed with {class_name(error)}: {error}"
            if needed := _needed(error, serializer):
                reason = f"format {serializer.format!r} needs {needed}"
            raise UnsupportedValueError(target.name, class_name(value), reason) from error
    raise AssertionError("the last serializer has written it, or has raised")


def _pass_on(value: Any, target: Target, reason: str) -> None:
    """Make room for the next serializer, and say why."""
    shutil.rmtree(target.directory)
    target.directory.mkdir()
    target.details.clear()
    target.notes[:] = [f"{target.name!r} ({class_name(value)}) was pickled: {reason}"]
    if "pip install" not in reason:
        _log.warning("%s; reading it will need trusted=True", target.notes[0])
    elif reason not in _said:  # the same for each value
        _said.add(reason)
        _log.warning("%s values are pickled: %s", type(value).__module__.partition(".")[0], reason)


def guess(name: str, files: Sequence[FileEntry]) -> Manifest:
    """Make a manifest for files that have none: a lone file by its suffix, everything else as a path.

    Args:
        name: What to call the value.
        files: The files and the hashes that they must have.
    """
    id, details = "pathlib.files", {"kind": "folder"}
    if len(files) == 1 and "/" not in files[0].path:
        suffix = Path(files[0].path).suffix
        id, details = _BY_SUFFIX.get(suffix, id), {}
        if suffix == ".parquet":
            id = next((f"{library}.parquet" for library in _FRAMES if find_spec(library)), "pandas.parquet")
    manifest = manifest_of(id, "other", name, "an unknown class", details)
    return manifest._replace(files=tuple(files), written_by="")


def manifest_of(id: str, kind: Kind, name: str, class_name: str, details: dict[str, Any]) -> Manifest:
    """The manifest of a value that the serializer of an id writes or reads, without files."""
    serializer = by_id(id)
    if serializer is None:
        raise RegistrationError(f"there is no serializer {id!r}: install its distribution, or call register()")
    return Manifest(
        serializer=serializer.id,
        format_version=serializer.version,
        kind=kind,
        name=name,
        class_name=class_name,
        written_by=serializer.distribution,
        details=details,
    )


def _read(path: Path) -> bytes:
    try:
        with _files.open_plain(path) as file:
            return file.read()
    except OSError as error:
        raise IntegrityError(f"the manifest {str(path)!r} cannot be read: {error}") from error


def _needed(error: Exception, serializer: Serializer) -> str:
    """What to install, where an error says that a library of the serializer is missing."""
    library = str(getattr(error, "name", "")).partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and library in serializer.libraries and find_spec(library) is None:
        return f"{library}: pip install '{serializer.install or library}'"
    return ""


def _installed(serializer: Serializer, others: Any) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in dict.fromkeys([*serializer.libraries, *others]):
        version = attribute(name, "__version__")
        if isinstance(version, str):
            versions[name] = version
    return versions


def _versions(versions: Any) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "unknown versions"


def _memory() -> int:
    """Bytes of memory that this process may have: the machine's, or its container's."""
    sizes = [1 << 62]
    with suppress(OSError, ValueError, AttributeError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            sizes.append(int(Path(path).read_text()))
    return min(sizes)
