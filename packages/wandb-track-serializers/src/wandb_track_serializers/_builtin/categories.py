"""The categories of pandas' columns, as a base64 Arrow stream in the Parquet file's metadata."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wandb_track_serializers.errors import IntegrityError, NotRepresentableError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_AS_VALUES = frozenset({"integer", "floating", "boolean", "datetime64", "datetime", "date"})
"""Kinds of categories that Parquet holds as plain values; others are written as text."""


def in_dictionary(dtype: pd.CategoricalDtype, rows: int) -> bool:
    """Whether the dictionary of a Parquet column is enough to have the categories back."""
    import pandas as pd

    return (
        rows > 0
        and bool(dtype.categories.dtype == pd.Index(["a"]).dtype)
        and dtype.categories.inferred_type == "string"
    )


def stored(dtype: pd.CategoricalDtype) -> dict[str, Any]:
    """What a recipe keeps of categories.

    Raises:
        NotRepresentableError: Arrow would change them.
    """
    import pyarrow as pa

    try:
        values = pa.table({"": pa.array(dtype.categories)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, values.schema) as stream:
            stream.write_table(values)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise NotRepresentableError(f"its categories {dtype.categories!r} are not for Arrow: {error}") from error
    how = {
        "values": base64.b64encode(sink.getvalue()).decode(),
        "dtype": str(dtype.categories.dtype),
        "ordered": bool(dtype.ordered),
        "as_text": dtype.categories.inferred_type not in _AS_VALUES,
    }
    back = restored(how, lambda size: None)
    if not (back.equals(dtype.categories) and back.dtype == dtype.categories.dtype):
        raise NotRepresentableError(f"its categories {dtype.categories!r} would change to {back!r}")
    return how


def restored(how: dict[str, Any], check: Callable[[int], None]) -> pd.Index[Any]:
    """The categories that a recipe holds."""
    import pandas as pd
    import pyarrow as pa

    stream = base64.b64decode(how["values"])
    messages = list(pa.ipc.MessageReader.open_stream(stream))
    if any(message.type == "dictionary" or _is_compressed(message) for message in messages[1:]):
        raise IntegrityError(
            "the recipe in the Parquet file has `values` that are compressed, which this package never writes"
        )
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    check(8 * table.num_rows)
    values = pd.Index(table.column(0).to_pandas()).rename(None)
    return values if values.dtype == how["dtype"] else cast(values, how["dtype"], check)


def codes(column: pa.ChunkedArray, categories: pd.Index[Any]) -> Any:
    """Which category each value of a column is; -1 where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.array(categories).cast(column.type)
    return pc.fill_null(pc.index_in(column, value_set=values), -1).to_numpy()


def cast(values: Any, name: str, check: Callable[[int], None]) -> Any:
    """Cast a column or index to the dtype of a name."""
    import pandas as pd

    check(len(values) * getattr(pd.api.types.pandas_dtype(name), "itemsize", 8))
    return values.astype(name)


def _is_compressed(batch: pa.Message) -> bool:
    """Whether a record batch says how it is compressed: https://github.com/apache/arrow/blob/main/format/Message.fbs."""
    data = batch.metadata.to_pybytes()

    def follow(table: int, field: int) -> int:
        """Where a flatbuffer's table has what a field refers to; 0 where it has no such field."""
        layout = table - struct.unpack_from("<i", data, table)[0]
        known = 4 + 2 * field < struct.unpack_from("<H", data, layout)[0]
        at = struct.unpack_from("<H", data, layout + 4 + 2 * field)[0] if known else 0
        return int(table + at + struct.unpack_from("<I", data, table + at)[0]) if at else 0

    header, compression = 2, 3
    return follow(follow(struct.unpack_from("<I", data)[0], header), compression) != 0
