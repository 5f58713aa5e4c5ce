"""NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wandb_track_serializers._kinds import loaded
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError

if TYPE_CHECKING:
    import numpy as np

_LONGEST_HEADER = 1 << 20
"""Bytes of a header that are read: NumPy's own 10,000 are too few for hundreds of fields."""


class NumpyFile(Serializer):
    """NumPy's own format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html."""

    id = "numpy.npy"
    types = ("numpy:ndarray",)
    format = "npy"
    safe = True
    libraries = ("numpy",)
    install = "wandb-track-serializers[numpy]"

    def accepts(self, value: Any) -> bool:
        """Plain arrays without objects: a mask, units or a matrix would not come back."""
        if type(value) not in (loaded("numpy", "ndarray"), loaded("numpy", "memmap")) or value.dtype.hasobject:
            return False
        from numpy.lib import format

        try:
            back = format.descr_to_dtype(format.dtype_to_descr(value.dtype))
        except (TypeError, ValueError):
            return False
        same = back == value.dtype and back.isalignedstruct == value.dtype.isalignedstruct
        return bool(same and not value.dtype.metadata)

    def write(self, value: np.ndarray[Any, Any], target: Target) -> None:
        """Write to ``{name}.npy``."""
        from numpy.lib import format

        target.check(value.nbytes)  # NumPy writes past what `open` counts
        with target.open(".npy") as file:
            format.write_array(file, value, allow_pickle=False)

    def read(self, source: Source) -> np.ndarray[Any, Any]:
        """Read the array; its header must describe exactly the bytes that follow."""
        from math import prod

        from numpy.lib import format

        file = source.file
        version = format.read_magic(file)
        header = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
        shape, _, dtype = header(file, max_header_size=_LONGEST_HEADER)
        begin = file.tell()
        stated, there = prod(shape) * dtype.itemsize, file.seek(0, 2) - begin
        if dtype.hasobject or stated != there:
            raise IntegrityError(
                f"the header of {source.manifest.name!r} describes {stated:,} bytes of {dtype}, but {there:,} follow"
            )
        source.check(stated)
        file.seek(0)
        array: np.ndarray[Any, Any] = format.read_array(file, allow_pickle=False, max_header_size=_LONGEST_HEADER)
        return array
