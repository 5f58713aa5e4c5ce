"""What files are that have no manifest, such as those that other integrations logged."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from . import _files
from ._manifest import FileEntry, Manifest
from ._registry import by_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._kinds import Kind

_BY_SUFFIX: dict[str, tuple[str, Kind]] = {
    ".npy": ("numpy.npy", "other"),
    ".safetensors": ("torch.safetensors", "model"),
    ".skops": ("sklearn.skops", "model"),
    ".pkl": ("builtins.pickle", "other"),
}
_FRAMES = ("pandas", "polars", "pyarrow")
_ZIP = b"PK\x03\x04"  # how torch.save's files begin, and no pickle


def guess(name: str, files: Sequence[FileEntry], directory: Path | None = None) -> Manifest:
    """Make a manifest for files that have none: a lone file by its suffix, everything else as a path.

    Args:
        name: What to call the value.
        files: The files and the hashes that they must have.
        directory: Where they lie, to look into those whose suffix has two meanings; None if they are still elsewhere.
    """
    serializer: str = "pathlib.files"
    kind: Kind = "dataset"
    if len(files) == 1 and "/" not in files[0].path:
        suffix = Path(files[0].path).suffix
        if suffix == ".parquet":
            serializer = next((f"{library}.parquet" for library in _FRAMES if find_spec(library)), "pandas.parquet")
        else:
            serializer, kind = _BY_SUFFIX.get(suffix, (serializer, kind))
        if suffix == ".pkl" and directory and _begins_with(directory / files[0].path, _ZIP):
            serializer, kind = "torch.module", "model"
    known = by_id(serializer)
    return Manifest(
        serializer=serializer,
        format_version=known.version if known else 1,
        kind=kind,
        name=name,
        class_name="an unknown class",
        files=tuple(files),
        details={} if len(files) == 1 and "/" not in files[0].path else {"kind": "folder"},
    )


def _begins_with(path: Path, magic: bytes) -> bool:
    with _files.open_plain(path) as file:
        return file.read(len(magic)) == magic
