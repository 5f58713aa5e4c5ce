"""Frames and series of pandas, as Parquet files that `pandas.read_parquet` reads.

Arrow keeps most of a frame by itself. The short list of what it does not keep stands in the file's own metadata (see
`pandas_recipe`). That a frame comes back as it was is proved: for its labels and dtypes by reading its first row back,
for the cells of columns of Python objects by their classes, down into lists and dictionaries.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from wandb_track_serializers._kinds import class_name, leaves, loaded
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import NotRepresentableError, SerializerError

from . import arrow
from . import pandas_objects as objects
from . import pandas_recipe as recipes

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_BLOCK = 1 << 16
"""Rows that are converted at a time: Arrow takes several times a column of objects meanwhile."""
_SAMPLE = 1 << 8
"""Rows by which is decided how many make a row group: few, as each can be large."""
_MANY = 1 << 8
"""Categories that are written and read for the proof of one row."""
_IN_JSON = {str, int, float, bool, type(None)}


class PandasParquet(Serializer):
    """Parquet, with index, dtypes, categories, time zones and attrs."""

    id = "pandas.parquet"
    types = ("pandas:DataFrame", "pandas:Series")
    kind = "dataset"
    format = "parquet"
    version = 2
    safe = True
    libraries = ("pandas", "pyarrow", "numpy")
    install = "wandb-track-serializers[pandas]"

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.parquet``, in groups of rows."""
        try:
            import pyarrow  # noqa: F401
        except ModuleNotFoundError:
            raise NotRepresentableError("Parquet needs pip install 'wandb-track-serializers[pandas]'") from None
        try:
            columns, schema = _prepared(value)
            some = columns.iloc[:: max(arrow.GROUPS, len(columns) // _SAMPLE)]
            rows = arrow.rows_per_group(arrow.row_size(next(_groups(some, schema, _BLOCK))), *columns.shape)
            arrow.write_parquet(target, schema, _groups(columns, schema, rows))
        except (SerializerError, MemoryError):
            raise
        except Exception as error:  # Arrow's own, and whatever an extension's conversion raises
            if isinstance(error, OSError) and error.errno:  # of the disk, not Arrow's own
                raise
            raise NotRepresentableError(f"Arrow cannot hold it: {error}") from error

    def read(self, source: Source) -> Any:
        """Read a frame, or the series that was written."""
        import pandas as pd
        import pyarrow as pa

        pa.array(pd.arrays.IntervalArray.from_breaks([0, 1]))  # makes Arrow know pandas' intervals and periods
        return recipes.restored(arrow.read_parquet(source), source.check)


def _prepared(value: Any) -> tuple[pd.DataFrame, pa.Schema]:
    """The frame that Arrow is to convert, and the schema of the file, which a file of one row has proved."""
    import pyarrow as pa

    base = loaded("pandas", "Series" if value.ndim == 1 else "DataFrame")
    attrs = json.dumps(value.attrs, default=repr)
    if base not in (type(value), None) or not value.flags.allows_duplicate_labels:
        raise NotRepresentableError(f"Parquet has no {class_name(value)}, and no flags")
    if repr(json.loads(attrs)) != repr(value.attrs) or not {*map(type, leaves(value.attrs))} <= _IN_JSON:
        raise NotRepresentableError(f"its attrs would change to {attrs[:200]}")
    recipe: dict[str, Any] = {key: {} for key in recipes.KEYS}
    frame: pd.DataFrame = value
    if value.ndim == 1:
        recipe["series"] = {"name": value.name}
        if type(value.name) not in (str, int, float, bool, type(None)):
            raise NotRepresentableError(f"the series' name is a {class_name(value.name)}, which JSON cannot hold")
        frame = value.to_frame("value" if value.name is None else str(value.name))
    columns, types = _replaced(frame, recipe)
    schema = pa.Schema.from_pandas(columns.iloc[:1], preserve_index=None if columns.size or not len(columns) else True)
    for position, kind in types.items():
        schema = schema.set(position, schema.field(position).with_type(kind))
    wanted, first, proof = _cut((value.to_frame() if value.ndim == 1 else value).iloc[:1], columns.iloc[:1], recipe)
    back = _as_read(first, schema.with_metadata(recipes.metadata(schema.metadata, proof, attrs)))
    dtypes = zip(_dtypes(wanted), _dtypes(back), strict=True)
    # The recipe of the proof shares these.
    recipe["dtypes"] |= {str(number): name for number, both in enumerate(dtypes) if (name := _changed(*both))}
    if recipe["dtypes"]:
        back = _as_read(first, schema.with_metadata(recipes.metadata(schema.metadata, proof, attrs)))
    _compare(wanted, back)
    schema = schema.with_metadata(recipes.metadata(schema.metadata, recipe, attrs))
    described = json.loads(schema.metadata[b"pandas"])
    for index in described["index_columns"]:
        if isinstance(index, dict):  # a range, which the schema of the first row does not know to its end
            index |= {name: getattr(columns.index, name) for name in ("start", "stop", "step")}
    return columns, schema.with_metadata({**schema.metadata, b"pandas": json.dumps(described).encode()})


def _cut(
    value: pd.DataFrame, columns: pd.DataFrame, recipe: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The first row of a value, that of its columns and their recipe, with two categories where there are many.

    The others need no proof: they are text, or `recipes.stored` has proved each.
    """
    import pandas as pd

    originals, prepared, categories = {}, {}, {**recipe["categories"]}
    for position, dtype in enumerate(value.dtypes):
        if isinstance(dtype, pd.CategoricalDtype) and len(dtype.categories) > _MANY:
            codes, few = value.iloc[:, position].cat.codes, dtype.categories[:2]
            codes = codes.where(codes < len(few), -1)
            originals[position] = pd.Categorical.from_codes(codes, few, dtype.ordered)
            if how := categories.get(key := str(position)):
                categories[key] = {**recipes.stored(originals[position].dtype, key), "as_text": how["as_text"]}
                few = list(map(str, few)) if how["as_text"] else few
            prepared[position] = pd.Categorical.from_codes(codes, few, dtype.ordered)
    return _with(value, originals), _with(columns, prepared), {**recipe, "categories": categories}


def _with(frame: pd.DataFrame, columns: dict[int, Any]) -> pd.DataFrame:
    """A frame with other columns at some positions, put together once: to set many one by one takes very long."""
    import pandas as pd

    if not columns:
        return frame
    values = {number: columns.get(number, column) for number, (_, column) in enumerate(frame.items())}
    return pd.DataFrame(values, index=frame.index).set_axis(frame.columns, axis=1)


def _as_read(columns: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """Columns as they come back; those of a series as a frame."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(next(_groups(columns, schema, 1)), buffer)
    back: Any = recipes.restored(pq.ParquetFile(buffer).read(), lambda size: None)
    return back.to_frame() if back.ndim == 1 else back


def _compare(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Raise where two frames are not the same to pandas, or their labels are of other classes."""
    import pandas as pd

    same = [
        number
        for number, ((_, column), (_, again)) in enumerate(zip(one.items(), other.items(), strict=True))
        if pd.api.types.is_object_dtype(column) and recipes.are_exact(column, again)
    ]
    # Pandas takes NaN within a list for another.
    one, other = (_with(frame, dict.fromkeys(same)) for frame in (one, other))
    # A level of several can be a range, of which the cells tell nothing.
    rows, columns = (labels.nlevels == 1 or "equiv" for labels in one.axes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what later versions of pandas will compare
            pd.testing.assert_frame_equal(
                one, other, check_index_type=rows, check_column_type=columns, check_exact=True
            )
    except AssertionError as error:
        raise NotRepresentableError(f"it would change: {' '.join(str(error).split())}") from None
    for axis, again in zip(one.axes, other.axes, strict=True):
        is_same = recipes.are_exact([*axis, *axis.names], [*again, *again.names])
        if not is_same or getattr(axis, "freq", None) != getattr(again, "freq", None):
            raise NotRepresentableError(f"its labels would change from {axis} to {again}")


def _dtypes(frame: pd.DataFrame) -> list[Any]:
    return [*frame.dtypes, *(frame.index.get_level_values(level).dtype for level in range(frame.index.nlevels))]


def _changed(wanted: Any, got: Any) -> str:
    """The name of a dtype that became another; empty where it did not, or has no name that tells all."""
    import pandas as pd

    for name in (str(wanted), f"string[{getattr(wanted, 'storage', '')}]"):
        with suppress(TypeError, ValueError, NotImplementedError):
            if wanted != got and pd.api.types.pandas_dtype(name) == wanted:
                return name
    return ""


def _replaced(frame: pd.DataFrame, recipe: dict[str, Any]) -> tuple[pd.DataFrame, dict[int, pa.DataType]]:
    """Look through a frame: replace what Arrow cannot take, and find the types that dtypes do not tell."""
    import numpy as np
    import pandas as pd

    prepared = frame.copy(deep=False)
    types: dict[int, pa.DataType] = {}
    for position, (label, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        where = f"column {label!r}"
        if isinstance(dtype, pd.api.extensions.ExtensionDtype) and type(dtype).__module__.partition(".")[0] != "pandas":
            raise NotRepresentableError(f"{where} has the dtype {dtype}, which only its own library reads")
        if isinstance(dtype, pd.ArrowDtype) and not arrow.is_proved(dtype.pyarrow_dtype):
            raise NotRepresentableError(f"{where} has the dtype {dtype}, which Parquet could change")
        if isinstance(dtype, pd.Float32Dtype | pd.Float64Dtype):
            if np.isnan(frame.iloc[:, position].to_numpy(dtype=dtype.numpy_dtype, na_value=0)).any():
                raise NotRepresentableError(f"{where} holds NaN beside NA, which Arrow would make one")
        elif pd.api.types.is_object_dtype(dtype):
            cells = frame.iloc[:, position].to_numpy()
            types[position], recipe["objects"][str(position)] = objects.column_type(cells, where)
        elif isinstance(dtype, pd.CategoricalDtype) and not recipes.in_dictionary(dtype, len(frame)):
            how = recipe["categories"][str(position)] = recipes.stored(dtype, where)
            if how["as_text"]:
                texts = frame.iloc[:, position].cat.rename_categories(list(map(str, dtype.categories)))
                prepared.isetitem(position, texts)
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        if pd.api.types.is_object_dtype(values.dtype):
            types[frame.shape[1] + level], how = objects.column_type(values.to_numpy(), "its index")
            if how["missing"]:
                raise NotRepresentableError("its index holds objects, some of which are missing, or no text")
    for axis, labels in (("freq", frame.index), ("columns_freq", frame.columns)):
        if getattr(labels, "freq", None) is not None and not isinstance(labels, pd.PeriodIndex):
            recipe["index"][axis] = labels.freqstr
    if isinstance(frame.columns, pd.RangeIndex):
        recipe["index"]["columns_range"] = [frame.columns.start, frame.columns.stop, frame.columns.step]
    names = list(frame.index.names)
    if any(not isinstance(name, str | None) for name in names):
        recipe["index"]["names"] = names
        prepared = prepared.rename_axis(index=[None if name is None else str(name) for name in names])
    return prepared, types


def _groups(columns: pd.DataFrame, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Convert a frame, in tables of so many rows; by small parts, as Arrow takes several times a column of objects."""
    import pyarrow as pa

    dictionaries: dict[int, pa.Array] = {}
    for start in range(0, max(len(columns), 1), rows):
        whole = columns.iloc[start : start + rows]
        parts = (whole.iloc[begin : begin + _BLOCK] for begin in range(0, max(len(whole), 1), _BLOCK))
        yield pa.concat_tables([_table(part, schema, dictionaries) for part in parts])


def _table(part: pd.DataFrame, schema: pa.Schema, dictionaries: dict[int, pa.Array]) -> pa.Table:
    """Convert some rows; the dictionaries of columns with categories are converted once, and kept for the next rows."""
    import pandas as pd
    import pyarrow as pa

    values = [values for _, values in part.items()]
    values += [part.index.get_level_values(level) for level in range(len(schema) - len(values))]
    arrays = []
    for number, (column, field) in enumerate(zip(values, schema, strict=True)):
        extension = isinstance(field.type, pa.BaseExtensionType)  # older Arrows break these when told the type
        is_nested = column.dtype == object and pa.types.is_nested(field.type)  # within which NaN is not missing
        missing = column.array.isna() if is_nested else None
        convert = partial(pa.array, type=None if extension else field.type, from_pandas=not is_nested, mask=missing)
        try:
            if not isinstance(column.dtype, pd.CategoricalDtype):
                arrays.append(convert(column))
                continue
            dictionary = dictionaries.get(number) or dictionaries.setdefault(
                number, convert(column.array[:0]).dictionary
            )
            codes = pa.array(column.array.codes, type=field.type.index_type, mask=column.array.codes < 0)
            arrays.append(pa.DictionaryArray.from_arrays(codes, dictionary, ordered=field.type.ordered))
        except pa.ArrowTypeError as error:
            raise NotRepresentableError(f"column {field.name!r} holds what Arrow would change: {error}") from None
    return pa.Table.from_arrays(arrays, schema=schema)
