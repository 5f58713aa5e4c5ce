"""The recipe: what pandas keeps and Arrow does not, as JSON in a Parquet file's metadata, and how it is put back.

- ``objects``: for each column (by position) of dtype object how its cells are had from Arrow's, "object" or "list",
  and its missing value: "None", "nan", "NA" or "NaT"; since version 2 of the format several, with ``which``, the
  place of each among ``_MISSING`` (a byte each, compressed, base64);
- ``categories``: of each categorical column that Arrow changes its categories (a base64 Arrow stream), their order, and
  whether the column holds them as text;
- ``dtypes``: for other columns that Arrow changes, and levels of the index after them, the dtype to cast to;
- ``index``: ``names`` and ``freq`` of the index, ``columns_freq`` and ``columns_range``, where Arrow changes them;
- ``series``: the name, where the value was a series.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wandb_track_serializers.errors import IntegrityError, NotRepresentableError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KEYS = ("objects", "categories", "dtypes", "index", "series")
_KEY = b"wandb_track"
_ATTRS = b"PANDAS_ATTRS"  # where pandas itself keeps them
_MISSING = ("None", "nan", "NA", "NaT")
_AS_VALUES = ("integer", "floating", "boolean", "datetime64", "datetime", "date")
"""Kinds of categories that Parquet holds as plain values; others are written as text."""


def metadata(arrow: dict[bytes, bytes], recipe: dict[str, Any], attrs: str) -> dict[bytes, bytes]:
    """A file's metadata: Arrow's, the recipe without what is empty, and the frame's attrs."""
    kept = json.dumps({key: how for key, how in recipe.items() if how}).encode()
    return {**arrow, _KEY: kept} | ({} if attrs == "{}" else {_ATTRS: attrs.encode()})


def restored(table: pa.Table, check: Callable[[int], None]) -> Any:
    """The value of a file's table; `check` is told bytes before memory is taken for them."""
    kept = table.schema.metadata or {}
    try:
        found = json.loads(kept.get(_KEY, b"{}"))
        attrs = json.loads(kept.get(_ATTRS, b"{}"))
        recipe: dict[str, Any] = {key: {**found.get(key, {})} for key in KEYS}
    except (ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"the metadata in the Parquet file is not what this package writes: {error}") from error
    frame = _applied(recipe, table, check)
    frame.attrs = attrs
    if "series" in found:
        series = frame.iloc[:, 0].rename(recipe["series"]["name"])
        series.attrs = attrs
        return series
    return frame


def _applied(recipe: dict[str, Any], table: pa.Table, check: Callable[[int], None]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns: dict[int, Any] = {}
    for key, how in recipe["objects"].items():
        column = table.column(int(key))
        found = column.to_pylist() if how["how"] == "list" else column.to_pandas()
        cells = pd.Series(found, dtype=object).to_numpy(copy=True)
        absent = column.is_null().to_numpy()
        if absent.any():
            values = (None, float("nan"), pd.NA, pd.NaT)
            places = unpacked(how["which"], int(absent.sum())) if "which" in how else [_MISSING.index(how["missing"])]
            cells[absent] = np.array(values, dtype=object)[places]
        columns[int(key)] = pd.Series(cells, dtype=object)
    for key, how in recipe["categories"].items():
        categories = _categories(how, check)
        columns[int(key)] = pd.Categorical.from_codes(
            _codes(table.column(int(key)), categories, how["as_text"]),
            dtype=pd.CategoricalDtype(categories, how["ordered"]),
        )
    frame: pd.DataFrame = table.to_pandas(self_destruct=True)
    for position, values in columns.items():
        frame.isetitem(position, pd.Series(values).set_axis(frame.index))  # as it is, where an array is looked through
    for key, name in recipe["dtypes"].items():
        level = int(key) - frame.shape[1]
        if level < 0:
            frame.isetitem(int(key), _cast(frame.iloc[:, int(key)], name, check))
        elif frame.index.nlevels == 1:
            frame.index = _cast(frame.index, name, check)
        else:
            frame.index = frame.index.set_levels(_cast(frame.index.levels[level], name, check), level=level)
    if "names" in recipe["index"]:
        frame.index.names = recipe["index"]["names"]
    if "columns_range" in recipe["index"]:
        frame.columns = pd.RangeIndex(*recipe["index"]["columns_range"], name=frame.columns.name)
    for axis, labels in (("freq", frame.index), ("columns_freq", frame.columns)):
        if axis in recipe["index"]:
            _set_freq(labels, recipe["index"][axis])
    return frame


def missing_names() -> dict[type, str]:
    """The classes of missing values."""
    import pandas as pd

    return dict(zip((type(None), float, type(pd.NA), type(pd.NaT)), _MISSING, strict=True))


def packed(missing: Any) -> str:
    """Which missing value each is of several."""
    places = {cls: place for place, cls in enumerate(missing_names())}
    return base64.b64encode(zlib.compress(bytes(map(places.__getitem__, map(type, missing))))).decode()


def unpacked(which: str, count: int) -> Any:
    """What `packed` was given, as places; so many that there is a value for each."""
    import numpy as np

    places = zlib.decompressobj().decompress(base64.b64decode(which), count)
    return np.frombuffer(places, dtype="uint8")


def in_dictionary(dtype: pd.CategoricalDtype, rows: int) -> bool:
    """Whether the dictionary of a Parquet column is enough to have the categories back."""
    import pandas as pd

    values = dtype.categories
    is_usual = values.dtype == pd.Index(["a"]).dtype and values.inferred_type == "string"
    if is_usual and pd.api.types.is_object_dtype(values.dtype):  # which holds subclasses of str, too
        is_usual = set(map(type, values)) == {str}
    return rows > 0 and bool(is_usual)


def stored(dtype: pd.CategoricalDtype, where: str) -> dict[str, Any]:
    """What a recipe keeps of categories; raises NotRepresentableError where Arrow would change them."""
    import pandas as pd
    import pyarrow as pa

    values = pa.table({"": pa.array(dtype.categories)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, values.schema) as stream:
        stream.write_table(values)
    how = {
        "values": base64.b64encode(sink.getvalue()).decode(),
        "dtype": str(dtype.categories.dtype),
        "ordered": bool(dtype.ordered),
        "as_text": dtype.categories.inferred_type not in _AS_VALUES,
    }
    freq = getattr(dtype.categories, "freq", None)
    if freq is not None and not isinstance(dtype.categories.dtype, pd.PeriodDtype):
        how["freq"] = freq.freqstr
    back = _categories(how, lambda size: None)
    is_same = back.dtype == dtype.categories.dtype and _are_same(back, dtype.categories)
    if not is_same or getattr(back, "freq", None) != freq:
        raise NotRepresentableError(f"the categories of {where} would change from {dtype.categories} to {back}")
    if how["as_text"] and len({str(category) for category in back}) < len(back):
        raise NotRepresentableError(f"the categories of {where} are not told apart by their text")
    return how


def are_exact(labels: Any, others: Any) -> bool:
    """Whether labels are the same: 1 is not True, and a Decimal not one with other digits."""
    pairs = zip(labels, others, strict=True)
    return len(labels) == len(others) and all(type(one) is type(two) and repr(one) == repr(two) for one, two in pairs)


def _are_same(one: pd.Index[Any], other: pd.Index[Any]) -> bool:
    """Whether categories of one dtype are the same; numbers and times by their bits, which is faster."""
    import numpy as np

    if isinstance(one.dtype, np.dtype) and one.dtype.kind in "iufmM":
        return np.array_equal(*(labels.to_numpy().view(f"u{one.dtype.itemsize}") for labels in (one, other)))
    return are_exact(one, other)


def _categories(how: dict[str, Any], check: Callable[[int], None]) -> pd.Index[Any]:
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
    values = values if values.dtype == how["dtype"] else _cast(values, how["dtype"], check)
    if "freq" in how:
        _set_freq(values, how["freq"])
    return values


def _set_freq(labels: Any, name: str) -> None:
    with suppress(ValueError):  # a name that only the pandas knew that wrote it
        labels.freq = name


def _codes(column: pa.ChunkedArray, categories: pd.Index[Any], as_text: bool) -> Any:
    """Which category each value of a column is; -1 where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = pa.array([str(category) for category in categories] if as_text else categories).cast(column.type)
    return pc.fill_null(pc.index_in(column, value_set=values), -1).to_numpy()


def _cast(values: Any, name: str, check: Callable[[int], None]) -> Any:
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
