"""Frames and series of pandas, as Parquet files that `pandas.read_parquet` reads.

What Arrow alone would change is written down in the file's own metadata, and put right when it is read: the recipe.
A frame that would not come back as it was even so is pickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from wandb_track_serializers._kinds import class_name, loaded
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, NotRepresentableError

from . import arrow
from .pandas_recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ATTRS = b"PANDAS_ATTRS"  # where pandas itself keeps them
_PANDAS = b"pandas"
_SAMPLE = 1_000


class PandasParquet(Serializer):
    """Parquet, with index, dtypes, categories, time zones and attrs. A subclass comes back as its base."""

    id = "pandas.parquet"
    types = ("pandas:DataFrame", "pandas:Series")
    kind = "dataset"
    format = "parquet"
    safe = True
    libraries = ("pandas", "pyarrow", "numpy")
    install = "wandb-track-serializers[pandas]"

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.parquet``, in groups of rows."""
        try:
            import pyarrow as pa
        except ModuleNotFoundError:
            raise NotRepresentableError("Parquet needs pip install 'wandb-track-serializers[pandas]'") from None
        base = cast("type", loaded("pandas", "Series" if value.ndim == 1 else "DataFrame"))
        if type(value) is not base:
            target.notes.append(f"a {class_name(value)} comes back as a pandas.{base.__name__}")
        try:
            attrs = json.dumps(value.attrs)
        except (TypeError, ValueError) as error:
            raise NotRepresentableError(f"its attrs are not JSON: {error}") from error
        recipe = Recipe()
        frame = _frame(value, recipe)
        try:
            columns = recipe.prepare(frame)
            schema = _schema(columns, recipe, frame, attrs)
            target.notes += recipe.notes
            sample = next(_groups(columns, schema, _SAMPLE))
            rows = arrow.rows_per_group(arrow.size_without_dictionaries(sample), sample.num_rows)
            groups = _groups(columns, schema, rows) if len(columns) > _SAMPLE else iter((sample,))
            arrow.write_parquet(target, schema, groups)
        except (pa.ArrowException, UnicodeError, OverflowError) as error:
            raise NotRepresentableError(f"Arrow cannot hold it: {error}") from error

    def read(self, source: Source) -> Any:
        """Read a frame, or the series that was written."""
        import pandas as pd
        import pyarrow as pa

        pa.array(pd.arrays.IntervalArray.from_breaks([0, 1]))  # makes Arrow know pandas' intervals and periods
        return _restore(arrow.read_parquet(source), source)


def _frame(value: Any, recipe: Recipe) -> pd.DataFrame:
    if value.ndim == 2:
        return cast("pd.DataFrame", value)
    name = value.name
    if name is not None and type(name) not in (str, int, float, bool):
        raise NotRepresentableError(f"the series' name is a {class_name(name)}, which JSON cannot hold")
    recipe.series = {"name": name}
    return cast("pd.DataFrame", value.to_frame("value" if name is None else str(name)))


def _schema(columns: pd.DataFrame, recipe: Recipe, frame: pd.DataFrame, attrs: str) -> pa.Schema:
    """The file's schema, tried on a file of one row: what comes back must have every dtype of `frame`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pa.Schema.from_pandas(columns.iloc[:0], preserve_index=None if columns.shape[1] else True)
        for position, kind in recipe.arrow_types.items():
            schema = schema.set(position, schema.field(position).with_type(kind))
        for again in (False, True):
            buffer = io.BytesIO()
            pq.write_table(next(_groups(columns.iloc[:1], _with_metadata(schema, recipe, attrs), 1)), buffer)
            if not recipe.repair(frame.iloc[:1], _restore(pq.ParquetFile(buffer).read()), again):
                break
    except NotRepresentableError:
        raise
    except Exception as error:  # Arrow's own, and whatever an extension's conversion raises
        raise NotRepresentableError(f"Arrow cannot hold it: {error}") from error
    return _with_metadata(_with_range(schema, columns), recipe, attrs)


def _with_metadata(schema: pa.Schema, recipe: Recipe, attrs: str) -> pa.Schema:
    metadata = {**schema.metadata, Recipe.KEY: recipe.to_json()}
    if attrs != "{}":
        metadata[_ATTRS] = attrs.encode()
    return schema.with_metadata(metadata)


def _with_range(schema: pa.Schema, columns: pd.DataFrame) -> pa.Schema:
    """Put in the range of the whole frame's index, which the schema of its empty head cannot know."""
    described = json.loads(schema.metadata[_PANDAS])
    for index in described["index_columns"]:
        if isinstance(index, dict):
            whole = cast("pd.RangeIndex", columns.index)
            index |= {"start": whole.start, "stop": whole.stop, "step": whole.step}
    return schema.with_metadata({**schema.metadata, _PANDAS: json.dumps(described).encode()})


def _groups(columns: pd.DataFrame, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    for start in range(0, max(len(columns), 1), rows):
        part = columns.iloc[start : start + rows]
        values = [values for _, values in part.items()]
        levels = range(len(schema) - len(values))
        values += [part.index.get_level_values(level) for level in levels]
        arrays = []
        for column, field in zip(values, schema, strict=True):
            extension = isinstance(field.type, pa.BaseExtensionType)  # older Arrows break these when told the type
            arrays.append(pa.array(column, type=None if extension else field.type, from_pandas=True))
        yield pa.Table.from_arrays(arrays, schema=schema)


def _restore(table: pa.Table, source: Source | None = None) -> Any:
    """The value of a file's table; without a source, the frame that stands for it."""
    metadata = table.schema.metadata or {}
    try:
        recipe = Recipe.from_json(metadata.get(Recipe.KEY, b"{}"))
        attrs = json.loads(metadata.get(_ATTRS, b"{}"))
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"the metadata in the Parquet file is not what this package writes: {error}") from error
    frame = recipe.apply(table, source.check if source else lambda size: None)
    if source and recipe.series is not None:
        frame = frame.iloc[:, 0].rename(recipe.series["name"])
    frame.attrs = attrs
    return frame
