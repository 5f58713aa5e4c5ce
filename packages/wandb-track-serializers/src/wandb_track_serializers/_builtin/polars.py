"""Frames of polars."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wandb_track_serializers._kinds import class_name, is_a
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, NotRepresentableError, UnsupportedValueError

from . import arrow

if TYPE_CHECKING:
    import polars as pl


class PolarsParquet(Serializer):
    """Parquet, by polars itself. A lazy frame is collected, and comes back as a frame; a series comes back as one."""

    id = "polars.parquet"
    types = ("polars:DataFrame", "polars:LazyFrame", "polars:Series")
    kind = "dataset"
    format = "parquet"
    safe = True
    libraries = ("polars",)
    install = "wandb-track-serializers[polars]"

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.parquet``."""
        import polars as pl

        frame = value
        if is_a(value, "polars", "LazyFrame"):
            frame = value.collect()
        elif is_a(value, "polars", "Series"):
            target.details["series"] = True
            frame = value.to_frame()
        objects = [name for name, dtype in frame.schema.items() if dtype == pl.Object]
        if objects:  # for which older versions end the process's thread
            reason = (
                f"column {objects[0]!r} holds Python objects, which polars does not store: leave it out, or cast it"
            )
            raise UnsupportedValueError(target.name, class_name(value), reason)
        try:
            with target.open(".parquet") as file:
                frame.write_parquet(
                    file,
                    compression=arrow.COMPRESSION,
                    compression_level=1,
                    row_group_size=arrow.rows_per_group(frame.estimated_size() / max(frame.height, 1), *frame.shape),
                )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise NotRepresentableError(f"Parquet cannot hold it: {error}") from error

    def read(self, source: Source) -> Any:
        """Read all of it into memory."""
        import polars as pl

        try:
            head = pl.scan_parquet(source.path)
            rows = head.select(pl.len()).collect().item()
            source.check(rows * sum(_width(dtype) for dtype in head.collect_schema().dtypes()))
            frame = pl.read_parquet(source.file)
        except pl.exceptions.PolarsError as error:
            raise IntegrityError(
                f"{source.manifest.name!r} is no whole Parquet file ({error}): it was cut off, or damaged"
            ) from error
        return frame.to_series() if source.manifest.details.get("series") else frame


def _width(dtype: pl.DataType) -> int:
    """The least bytes of a value in memory."""
    bits = re.search(r"\d+$", str(dtype))
    return int(bits[0]) // 8 if bits else 1
