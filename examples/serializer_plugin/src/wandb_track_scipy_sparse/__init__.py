"""SciPy's sparse matrices and arrays as `.npz` files, read without running code."""

from __future__ import annotations

import zipfile
from typing import Any

from wandb_track_serializers import NotRepresentableError, Serializer, Source, Target


class SparseMatrix(Serializer):
    """The format of `scipy.sparse.save_npz`: arrays in a zip, without pickles."""

    id = "scipy.npz"
    types = ("scipy.sparse:spmatrix", "scipy.sparse:sparray")
    kind = "dataset"
    format = "npz"
    safe = True
    libraries = ("scipy", "numpy")

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.npz``."""
        from scipy.sparse import save_npz

        with target.open(".npz") as file:
            try:
                save_npz(file, value)
            except NotImplementedError as error:
                raise NotRepresentableError(f"SciPy has no file format for {value.format!r} matrices") from error

    def read(self, source: Source) -> Any:
        """Read it, if what the zip unpacks to is not larger than allowed."""
        from scipy.sparse import load_npz

        with zipfile.ZipFile(source.file) as archive:
            source.check(sum(member.file_size for member in archive.infolist()))
        source.file.seek(0)
        return load_npz(source.file)
