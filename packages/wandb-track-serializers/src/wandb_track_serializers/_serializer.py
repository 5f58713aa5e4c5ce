"""What a serializer is, for this package's own and for plug-ins."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from .__about__ import __version__
from .errors import IntegrityError, TooLargeError

if TYPE_CHECKING:
    from ._kinds import Kind
    from ._manifest import Manifest

DISTRIBUTION = f"wandb-track-serializers {__version__}"


class Serializer:
    """Writes values of one library to files and reads them back. Subclass it, and register an instance or the class.

    Attributes:
        id: The name that manifests keep, for ever. Its first part, up to a dot, is the module that is in
            `sys.modules` whenever there are values of this kind: "xgboost.ubj".
        types: The classes it serializes, subclasses included, each as "module:name". Of several serializers
            the one for the most derived class is taken, and of those for one class the last that was registered.
        kind: "dataset", "model" or "other", the artifact's type.
        format: What `format=` calls it.
        version: Of the format. Raise it when the reader of the version before could not read what is now written,
            or would read something else; the new reader must still read every older version.
        on_request: Whether it is only used when `format=` names it.
        safe: Whether reading a file made by an enemy runs no code of theirs.
        in_place: Whether what is read refers to the files, which then have to stay.
        reads_files: Whether it reads the files. One that does not, which only artifacts that refer to files elsewhere
            name, finds the value by the manifest's details.
        in_parts: Whether folders among the files are values of their own, each verified when it is read.
        libraries: Modules whose `__version__` the manifest keeps.
        install: What pip has to install where a library is missing.
        distribution: The distribution that it comes from, and its version, for `written_by`.
    """

    id: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    kind: ClassVar[Kind] = "other"
    format: ClassVar[str]
    version: ClassVar[int] = 1
    on_request: ClassVar[bool] = False
    safe: ClassVar[bool] = False
    in_place: ClassVar[bool] = False
    reads_files: ClassVar[bool] = True
    in_parts: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    distribution: str = DISTRIBUTION

    def accepts(self, value: Any) -> bool:
        """Whether this value, an instance of one of `types`, can be written; if not, others are asked."""
        return True

    def artifact_type(self, value: Any) -> Kind:
        """The type of the artifact of a value that it accepts; by itself `kind`."""
        return self.kind

    def write(self, value: Any, target: Target) -> None:
        """Write a value's files.

        Args:
            value: An instance of one of `types`. It must be left as it is.
            target: Where to. Whatever lies in `target.directory` afterwards is the value.

        Raises:
            NotRepresentableError: This value would not come back as it was: the next format is tried, at last a pickle.
            UnsupportedValueError: It cannot be stored at all.
        """
        raise NotImplementedError

    def read(self, source: Source) -> Any:
        """Read a value back.

        Args:
            source: Its files, whose hashes have been verified, and its manifest.
        """
        raise NotImplementedError


class Target:
    """Where a serializer writes.

    Attributes:
        directory: A new, empty folder.
        name: The value's name.
        max_size: The most bytes that may be written; None for no limit.
        details: What the reader will need: an object of JSON, kept in the manifest.
        notes: Sentences for a reader of the manifest.
    """

    def __init__(self, directory: Path, name: str, max_size: int | None = None) -> None:
        self.directory = directory
        self.name = name
        self.max_size = max_size
        self.details: dict[str, Any] = {}
        self.notes: list[str] = []

    def path(self, suffix: str) -> Path:
        """The path of the value's main file: its name and a suffix."""
        return self.directory / f"{self.name}{suffix}"

    def open(self, suffix: str) -> BinaryIO:
        """Open the value's main file for writing; with a `max_size`, writing more raises `TooLargeError`."""
        if self.max_size is None:
            return self.path(suffix).open("xb")
        return io.BufferedWriter(_LimitedFile(self.path(suffix), self))

    def check(self, size: int) -> None:
        """Raise `TooLargeError` if so many bytes are too many."""
        if self.max_size is not None and size > self.max_size:
            raise TooLargeError(self.name, size, self.max_size, "raise max_size= or leave the value out")


class _LimitedFile(io.FileIO):
    def __init__(self, path: Path, target: Target) -> None:
        super().__init__(path, "xb")
        self._target = target

    def write(self, data: Any, /) -> int:
        self._target.check(self.tell() + memoryview(data).nbytes)
        return super().write(data)


class Source:
    """What a serializer reads.

    Attributes:
        directory: The folder of the value's files.
        manifest: What was written.
        trusted: Whether code that comes with the files may be run.
        max_size: The most bytes of memory that the value may take.
        checked: How many it takes, as far as `check` was told.
    """

    def __init__(
        self, directory: Path, manifest: Manifest, trusted: bool, max_size: int, handle: BinaryIO | None
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.trusted = trusted
        self.max_size = max_size
        self.checked = 0
        self._handle = handle

    @property
    def file(self) -> BinaryIO:
        """The value's only file, open for reading: what was verified, also if its path has been replaced since."""
        if self._handle is None:
            raise IntegrityError(
                f"{self.manifest.name!r} has {len(self.manifest.files)} files, where {self.manifest.serializer}"
                " writes one: the manifest does not belong to these files"
            )
        return self._handle

    @property
    def path(self) -> Path:
        """The path of the value's only file, for libraries that take no open file."""
        return Path(self.file.name)

    def check(self, size: int) -> None:
        """Raise `TooLargeError` if so many bytes of memory are too many."""
        self.checked = max(self.checked, size)
        if size > self.max_size:
            raise TooLargeError(
                self.manifest.name, size, self.max_size, "if this is no trap, give a larger max_size= in bytes"
            )
