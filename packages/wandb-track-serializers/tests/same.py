"""What "the same" means for a value that was stored: cell by cell, with its type."""

from __future__ import annotations

from typing import Any

from wandb_track_serializers._kinds import class_name, is_a


def difference(one: Any, other: Any, where: str = "it", begun: dict[tuple[int, int], Any] | None = None) -> str:
    """Say how two values differ first; empty where they are the same.

    Each cell counts with its class: with its UTC offset and time zone, its digits as a Decimal, its dtype and unit.
    Frames count with index, labels, names, freq, attrs and flags, categories with their order and their own types;
    objects of other classes with what they hold. NaN is the same as NaN; only how arrays lie in memory makes none.

    Args:
        one: A value.
        other: Another.
        where: What to call it.
        begun: For the function itself: the pairs that are being compared, as values can refer to themselves.
    """
    begun = {} if begun is None else begun
    if type(one) is not type(other):
        return f"{where} would change from {class_name(one)} to {class_name(other)}"
    if one is other or (id(one), id(other)) in begun:
        return ""
    before, after = _parts(one), _parts(other)
    if before is None or after is None:
        return "" if _equal(one, other) else f"{where} would change from {str(one)[:200]!r} to {str(other)[:200]!r}"
    begun[id(one), id(other)] = one, other, before, after  # an id is an object's own only as long as that lives
    if before.keys() != after.keys():
        return f"{where} would change from {list(before)!r} to {list(after)!r}"[:500]
    for key, part in before.items():
        inside = key if isinstance(key, str) and key.startswith("column ") else where
        if found := difference(part, after[key], inside, begun):
            return found
    return ""


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float | complex):  # also tells -0.0 from 0.0
        pairs = ((one.real, other.real), (one.imag, other.imag))
        return all((x != x and y != y) or (x == y and str(x) == str(y)) for x, y in pairs)
    return bool(one == other) or bool(one != one and other != other)


def _parts(value: Any) -> dict[Any, Any] | None:
    """What makes up a value, by name; None where it is compared as a whole."""
    for module, name, parts in _PARTS:
        if is_a(value, module, name):
            found: dict[Any, Any] = parts(value)
            return found
    compares = any("__eq__" in vars(cls) for cls in type(value).__mro__[:-1])
    if isinstance(value, type) or (compares and not hasattr(value, "__dataclass_fields__")):
        return None
    slots = [name for name in getattr(value, "__dataclass_fields__", ()) if hasattr(value, name)]
    held = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
    return held if slots or hasattr(value, "__dict__") else None


def _frame(frame: Any) -> dict[Any, Any]:
    parts = {"columns": frame.columns, "index": frame.index, "attrs": frame.attrs, "flags": str(frame.flags)}
    return parts | {f"column {label!r} ({n})": frame.iloc[:, n].array for n, label in enumerate(frame.columns)}


def _index(index: Any) -> dict[Any, Any]:
    if index.nlevels > 1:
        return {"names": list(index.names), **{n: index.get_level_values(n).array for n in range(index.nlevels)}}
    if is_a(index, "pandas", "RangeIndex"):
        return {"range": (index.start, index.stop, index.step), "name": index.name}
    return {"names": list(index.names), "freq": getattr(index, "freq", None), "values": index.array}


def _categorical(array: Any) -> dict[Any, Any]:
    kinds, freq = array.categories.array, getattr(array.categories, "freq", None)
    return {"categories": kinds, "freq": freq, "ordered": array.ordered, "codes": array.codes}


def _array(array: Any) -> dict[Any, Any]:
    import numpy as np

    if array.dtype.hasobject or array.dtype.kind == "T":
        return {"dtype": array.dtype, "shape": array.shape, **dict(enumerate(array.ravel().tolist()))}
    plain = np.where(np.isnan(array), np.nan, array).astype(array.dtype) if array.dtype.kind in "fc" else array
    return {"dtype": (array.dtype.descr, array.dtype.str), "shape": array.shape, "bytes": plain.tobytes()}


def _tensor(tensor: Any) -> dict[Any, Any]:
    about = (tensor.dtype, tensor.layout, tensor.device, tensor.requires_grad, tuple(tensor.shape))
    return {"about": about, "cells": tensor.detach().to_dense().tolist(), "vars": dict(vars(tensor))}


def _moment(moment: Any) -> dict[Any, Any]:
    zone = getattr(moment, "tzinfo", None)
    unit = getattr(moment, "unit", "")  # of a pandas.Timestamp
    return {"text": str(moment), "offset": moment.utcoffset(), "fold": moment.fold, "zone": (str(zone), unit)}


def _arrow(table: Any) -> dict[Any, Any]:
    fields = [(str(field), field.nullable, field.metadata or None) for field in table.schema]
    parts: dict[Any, Any] = {"schema": (fields, table.schema.metadata), "rows": table.num_rows}
    for number, column in enumerate(table.columns):
        whole = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        dictionary = getattr(whole, "dictionary", None)
        parts[number] = whole.to_pylist(), dictionary is not None and dictionary.to_pylist()
    return parts


def _items(items: Any) -> dict[Any, Any]:
    return dict(enumerate(items)) | dict(getattr(items, "__dict__", {}))


_PARTS: tuple[tuple[str, str, Any], ...] = (
    ("pandas", "DataFrame", _frame),
    ("pandas", "Series", lambda series: {**_frame(series.to_frame("")), "columns": series.name, "flags": series.flags}),
    ("pandas", "Index", _index),
    ("pandas", "Categorical", _categorical),
    (
        "pandas.arrays",
        "ArrowExtensionArray",
        lambda cells: {"dtype": cells.dtype, **_items(cells.__arrow_array__().to_pylist())},
    ),
    ("pandas.api.extensions", "ExtensionArray", lambda cells: {"dtype": cells.dtype, **_items(cells.astype(object))}),
    ("numpy", "ndarray", _array),
    ("pyarrow", "Table", _arrow),
    ("pyarrow", "RecordBatch", _arrow),
    ("polars", "DataFrame", lambda frame: {"schema": list(frame.schema.items()), "cells": frame.rows()}),
    ("polars", "Series", lambda series: {"about": (series.name, series.dtype), "cells": series.to_list()}),
    ("torch", "Tensor", _tensor),
    ("datetime", "datetime", _moment),
    ("datetime", "time", _moment),
    ("decimal", "Decimal", lambda number: {"digits": str(number)}),
    ("builtins", "dict", lambda items: {"keys": list(items), **_items(dict.values(items)), "type": type(items)}),
    ("builtins", "list", _items),
    ("builtins", "tuple", _items),
    ("builtins", "set", lambda items: {"items": sorted((class_name(item), repr(item)) for item in items)}),
    ("builtins", "frozenset", lambda items: {"items": sorted((class_name(item), repr(item)) for item in items)}),
)
