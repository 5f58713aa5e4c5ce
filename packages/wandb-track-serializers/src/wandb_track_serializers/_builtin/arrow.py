"""Arrow's tables and record batches, and what all Parquet files of this package have in common."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wandb_track_serializers._kinds import is_a
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, NotRepresentableError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SAMPLE = 1 << 14
"""Rows of a table by which is decided how its columns are written."""
_PARTS = 8
"""Places in a table from which those are."""
COMPRESSION: Any = "zstd"  # at Arrow's level 1, which is as fast as the usual snappy, and a quarter smaller
GROUPS = 32
GROUP_BYTES = (8 << 20, 64 << 20)
"""What a row group takes in memory, about, at least and at most: writing needs twice that beside the value."""
GROUP_ROWS = 1 << 20
COLUMN_BYTES = 1 << 12
"""What a column of a row group takes at least, on average: with less, what each column costs is most of the work."""
_SAVES = 0.9
_DICTIONARY_BYTES = GROUP_BYTES[0]
_MOST_CHUNKS = 64
"""From how many chunks rows are taken one by one; more are put together first, which is faster."""
_TEXT = ("string", "large_string", "binary", "large_binary")
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 8}


class ArrowParquet(Serializer):
    """Parquet. A record batch comes back as one.

    Details: ``batch``, whether it was one; ``rows``, how many there are where there are no columns.
    """

    id = "pyarrow.parquet"
    types = ("pyarrow:Table", "pyarrow:RecordBatch")
    kind = "dataset"
    format = "parquet"
    safe = True
    libraries = ("pyarrow",)
    install = "wandb-track-serializers[pyarrow]"

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.parquet``."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        batch = is_a(value, "pyarrow", "RecordBatch")
        table = pa.Table.from_batches([value]) if batch else value
        target.details["batch"] = batch
        if not table.num_columns:
            target.details["rows"] = table.num_rows
        try:
            table = table.unify_dictionaries()  # raises where the indices of one column could not tell all values
            for name, column in zip(table.schema.names, table.columns, strict=True):
                if not (is_proved(column.type) or _is_full(column)):
                    raise NotRepresentableError(f"column {name!r} is of type {column.type}, which Parquet could change")
            rows = rows_per_group(row_size(table), *table.shape)
            groups = (table.slice(start, rows) for start in range(0, max(table.num_rows, 1), rows))
            write_parquet(target, table.schema, groups)
            file = pq.ParquetFile(target.path(".parquet"))
            back = _as_written(file.schema_arrow.empty_table(), file.metadata).schema
            if not back.equals(table.schema, check_metadata=True):
                raise NotRepresentableError(f"Parquet would change it to {back}")
        except (pa.ArrowException, NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # of the disk, not Arrow's own
                raise
            raise NotRepresentableError(f"Parquet cannot hold it: {error}") from error

    def read(self, source: Source) -> Any:
        """Read all of it into memory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = _as_written(read_parquet(source), pq.ParquetFile(source.file).metadata)
        if rows := source.manifest.details.get("rows"):
            bare = pa.record_batch([pa.nulls(rows)], [""]).replace_schema_metadata(table.schema.metadata).select([])
            return bare if source.manifest.details.get("batch") else pa.Table.from_batches([bare])
        if not source.manifest.details.get("batch"):
            return table
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def is_proved(kind: pa.DataType, is_column: bool = True) -> bool:
    """Whether Parquet keeps every value of a type; dictionaries of text and nulls only where they are a column."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return is_column and str(kind.value_type) in _TEXT
    if pa.types.is_null(kind):
        return is_column
    if pa.types.is_fixed_size_list(kind) or pa.types.is_union(kind) or isinstance(kind, pa.BaseExtensionType):
        return False
    return all(is_proved(kind.field(number).type, is_column=False) for number in range(kind.num_fields))


def _is_full(column: pa.ChunkedArray) -> bool:
    """Whether a column holds lists of a fixed size, such as embeddings, none of which is missing."""
    import pyarrow as pa

    kind = column.type
    is_fixed = pa.types.is_fixed_size_list(kind) and kind.list_size > 0
    return is_fixed and not column.null_count and is_proved(kind.value_type, is_column=False)


def _as_written(table: pa.Table, metadata: pq.FileMetaData) -> pa.Table:
    """Give a table the schema that it had, which Arrow keeps in the file and restores but in part."""
    import pyarrow as pa

    kept = (metadata.metadata or {}).get(b"ARROW:schema")
    if kept is None:
        return table
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kept)))
    if table.schema.equals(schema, check_metadata=True):
        return table
    columns = []
    for field, column in zip(schema, table.columns, strict=True):
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
            column = column.cast(field.type.value_type).dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def rows_per_group(size: float, rows: int, columns: int) -> int:
    """How many rows of so many bytes in memory make a row group of a table of so many rows and columns."""
    least, most = GROUP_BYTES
    least = min(most, max(least, columns * COLUMN_BYTES))
    size = max(size, 1 / 8)
    return int(max(1, min(GROUP_ROWS, max(least, min(most, size * rows / GROUPS)) / size)))


def row_size(table: pa.Table) -> float:
    """Bytes in memory that each row of a table takes, without its dictionaries, which do not grow with the rows."""
    import pyarrow as pa

    chunks = [chunk for column in table.columns for chunk in column.chunks]
    sizes = (chunk.indices.nbytes if pa.types.is_dictionary(chunk.type) else chunk.nbytes for chunk in chunks)
    size: float = sum(sizes) / max(table.num_rows, 1)
    return size


def write_parquet(target: Target, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write row groups, one at a time, to ``{name}.parquet``."""
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    with target.open(".parquet") as file:
        try:
            for group in groups:
                if writer is None:
                    writer = pq.ParquetWriter(file, schema, **_layout(group))
                writer.write_table(group, row_group_size=max(group.num_rows, 1))
        finally:
            if writer is not None:
                writer.close()


def _layout(table: pa.Table) -> dict[str, Any]:
    """How each column is written: by what dictionaries and compression save in parts of the table.

    Whole numbers that do not repeat are written as their differences, which take no more than they do themselves.
    """
    import pyarrow as pa

    repeating, encodings, compression = [], {}, {}
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type
        if pa.types.is_dictionary(kind) or _is_repeating(column):
            repeating.append(field.name)
        elif pa.types.is_int64(kind) or pa.types.is_int32(kind) or pa.types.is_timestamp(kind):
            encodings[field.name] = "DELTA_BINARY_PACKED"
    others = [field.name for field in table.schema if str(field.type) not in _TEXT]
    usual: dict[str, Any] = {"use_dictionary": repeating or False, "column_encoding": encodings or None}
    usual["write_statistics"] = others or False  # the least and most of text take a quarter of the time to write it
    limit = {"dictionary_pagesize_limit": _largest_dictionary(table)}
    parts = [table.slice(number * len(table) // _PARTS, SAMPLE // _PARTS) for number in range(_PARTS)]
    sample = pa.concat_tables(parts) if len(table) > SAMPLE else table
    try:
        small = plain = _columns(sample, {**usual, **limit, "compression": COMPRESSION})
        if repeating and sample is not table:
            plain = _columns(sample, {**usual, **limit, "compression": "NONE"})
    except (pa.ArrowException, OSError, ValueError):  # two columns of one name, or of one path
        return {"compression": COMPRESSION, **limit}
    times = len(table) / max(len(sample), 1)
    for before, after in zip(plain, small, strict=True):
        size = _grown(before, before.total_uncompressed_size, times)
        saves = _grown(after, after.total_compressed_size, times) < _SAVES * size
        compression[after.path_in_schema] = COMPRESSION if saves else "NONE"
    return {**usual, **limit, "compression": compression}


def _is_repeating(column: pa.ChunkedArray) -> bool:
    """Whether a column has half as many values as rows, or fewer, and a dictionary has room for them.

    How many there are is estimated from every so many rows, by the values that stand there once and twice: A. Chao,
    "Nonparametric estimation of the number of classes in a population", 1984.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_primitive(column.type) or str(column.type) in _TEXT):
        return False
    step = max(1, len(column) // SAMPLE)
    chunks = column.chunks if column.num_chunks < _MOST_CHUNKS else [column.combine_chunks()]
    some = pa.chunked_array([chunk[::step] for chunk in chunks] if step > 1 else chunks, column.type).drop_null()
    times = pc.value_counts(some).field("counts")
    values: float = len(times)
    if step > 1:
        once, twice = (pc.sum(pc.equal(times, number)).as_py() or 0 for number in (1, 2))
        values += once * (once - 1) / 2 / (twice + 1)
    return 0 < 2 * values <= step * len(some) and values * some.nbytes / len(some) <= _DICTIONARY_BYTES


def _columns(sample: pa.Table, layout: dict[str, Any]) -> list[pq.ColumnChunkMetaData]:
    """What the footer of a file says of each column of a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(sample.replace_schema_metadata(), buffer, **layout)
    group = pq.ParquetFile(pa.BufferReader(buffer.getvalue())).metadata.row_group(0)
    return [group.column(number) for number in range(group.num_columns)]


def _grown(column: pq.ColumnChunkMetaData, size: int, times: float) -> float:
    """The size of so many times a column's values, of which the dictionary stays as it is."""
    has_one = times > 1 and column.has_dictionary_page
    dictionary = column.data_page_offset - column.dictionary_page_offset if has_one else 0
    return float(dictionary + times * (size - dictionary))


def _largest_dictionary(table: pa.Table) -> int:
    """Bytes that hold every dictionary: one that does not fit would be dropped, and its order with it."""
    import pyarrow as pa

    columns = [column for column in table.columns if pa.types.is_dictionary(column.type)]
    sizes: list[int] = [chunk.dictionary.nbytes for column in columns for chunk in column.chunks]
    return max([_DICTIONARY_BYTES, *(2 * size for size in sizes)])


def read_parquet(source: Source) -> pa.Table:
    """Read a Parquet file, as long as it stays within the memory that the source allows.

    Raises:
        IntegrityError: It is no Parquet file, or a damaged one.
        TooLargeError: It takes more memory than it may.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source.file)
        size, repeated = _measured(file, source.max_size)
        source.check(size)
        if not repeated:
            return _whole(file)
        table = _whole(pq.ParquetFile(source.file, read_dictionary=repeated))
        texts = zip(file.schema_arrow.types, table.columns, strict=True)
        chunks = [chunk for kind, column in texts if not pa.types.is_dictionary(kind) for chunk in column.chunks]
        source.check(table.nbytes + sum(map(_repeats, chunks)))
        return table.cast(file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(
            f"{source.manifest.name!r} is no whole Parquet file ({error}): it was cut off, or damaged"
        ) from error


def _whole(file: pq.ParquetFile) -> pa.Table:
    import pyarrow as pa

    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    return pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()


def _measured(file: pq.ParquetFile, limit: int) -> tuple[int, list[str]]:
    """The least bytes that a file takes in memory, by its footer, and the columns of text that could take more.

    Those are columns whose values the file holds each but once, and which could take more than the limit.
    """
    import pyarrow as pa

    metadata, schema = file.metadata, file.schema_arrow
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    size, repeated = 0, []
    for position in range(metadata.num_columns):
        column = metadata.schema.column(position)
        chunks = [group.column(position) for group in groups]
        values = sum(chunk.num_values for chunk in chunks) if column.max_repetition_level else metadata.num_rows
        size += values * _WIDTHS.get(column.physical_type, column.length)
        worst = sum(chunk.num_values * chunk.total_uncompressed_size for chunk in chunks if chunk.has_dictionary_page)
        if column.physical_type == "BYTE_ARRAY" and worst > limit:
            index = schema.get_field_index(column.path)
            if index < 0 or not pa.types.is_dictionary(schema.field(index).type):
                repeated.append(column.path)
    stated: list[int] = [group.total_byte_size for group in groups]
    return max(size, sum(stated)), repeated


def _repeats(array: pa.Array) -> int:
    """Bytes of the text that dictionaries stand for, also those within lists and structs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0
    if pa.types.is_map(array.type):
        return _repeats(array.keys) + _repeats(array.items)
    inner = array.flatten() if pa.types.is_nested(array.type) else []
    return sum(map(_repeats, inner if isinstance(inner, list) else [inner]))
