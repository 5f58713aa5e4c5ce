"""Columns of Python objects: which of Arrow's types keeps every cell, as the cells' classes prove."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, filterfalse, islice
from operator import attrgetter, countOf, itemgetter
from typing import TYPE_CHECKING, Any

from wandb_track_serializers.errors import NotRepresentableError

from . import pandas_recipe as recipes

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST = 1 << 8
"""Cells by whose classes is guessed whether a column has one."""
_DEPTH = 8
"""Levels of lists and dictionaries in a cell that are looked into."""
_TYPES: dict[type, str] = {
    str: "large_string",
    bytes: "large_binary",
    bool: "bool",
    int: "int64",
    float: "double",
    type(None): "null",
    datetime.date: "date32",
    datetime.datetime: "timestamp[us]",
    datetime.time: "time64[us]",
    datetime.timedelta: "duration[us]",
}
"""Arrow's types for classes whose values it keeps."""
_NAIVE = {datetime.datetime, datetime.time}
"""Those of which it keeps neither a time zone nor a fold."""


def column_type(cells: Any, where: str) -> tuple[pa.DataType, dict[str, Any]]:
    """Arrow's type for a column of objects, and how to have them back; raises where not each would be the same."""
    import numpy as np
    import pandas as pd

    names, classes = recipes.missing_names(), _classes(cells)
    missing, absent = names.keys() & classes, cells[:0]
    if classes == {str, float}:
        classes = {str}  # Arrow takes no float as text but NaN
    elif missing - {type(None)}:  # a float is missing where it is NaN
        is_absent = pd.isna(cells)
        if not is_absent.any():
            missing = set()
        elif classes != {float}:  # to which NaN belongs
            absent, cells = cells[is_absent], cells[~is_absent]
            classes, missing = _classes(cells), set(map(type, absent))
    if missing - names.keys():
        raise NotRepresentableError(f"{where} holds missing values of a class of its own")
    is_plain = classes <= {str, bytes, np.ndarray, type(None)}
    how = {"how": "object" if is_plain else "list", "missing": "".join(names[cls] for cls in missing)}
    if len(missing) > 1:
        how |= {"missing": "several", "which": recipes.packed(absent)}
    return _type(cells, where, classes), how


def _type(cells: Any, where: str, known: set[type] | None = None, depth: int = 0) -> pa.DataType:
    """Arrow's type that keeps every one of these cells, as their classes prove; raises where there is none.

    It is the very class that counts: a datetime is a date, too, and True an int.
    """
    import numpy as np
    import pyarrow as pa

    classes = known or _classes(cells)
    is_full = type(None) not in classes
    classes -= {type(None)}
    one = object if len(classes) > 1 or depth > _DEPTH else next(iter(classes), type(None))
    present = cells if is_full else _Cells(lambda: (cell for cell in cells if cell is not None))
    facts = ("tzinfo", "fold") if one in _NAIVE else ()
    if one in _TYPES and not any(any(map(attrgetter(fact), present)) for fact in facts):
        return pa.type_for_alias(_TYPES[one])
    if one is list:
        return pa.list_(_type(_Cells(partial(chain.from_iterable, present)), where, depth=depth + 1))
    if one is dict and len(keys := {*map(tuple, present)}) == 1:
        (fields,) = keys
        if {*map(type, fields)} == {str}:  # in one order; Arrow has no other keys
            return pa.struct([(key, _type([*map(itemgetter(key), present)], where, depth=depth + 1)) for key in fields])
    if one is decimal.Decimal and (first := next(iter(present))).is_finite():
        is_zero = filterfalse(None, present)  # of which Arrow has one without a sign
        if all(map(first.same_quantum, present)) and not any(map(decimal.Decimal.is_signed, is_zero)):
            scale = -int(first.as_tuple().exponent)
            return pa.decimal128(max(0, *map(decimal.Decimal.adjusted, present)) + 1 + scale, scale)
    if one is np.ndarray and not depth:  # within a list or dictionary, it would come back as a list
        (dtype, dimensions), *others = {(cell.dtype, cell.ndim) for cell in present}
        if not others and dimensions == 1 and dtype.isnative and dtype.kind in "biuf" and dtype.itemsize <= 8:
            return pa.list_(pa.from_numpy_dtype(dtype))
    found = ", ".join(sorted(cls.__name__ for cls in classes))
    raise NotRepresentableError(f"{where} holds objects ({found}) that Arrow would change")


def _classes(cells: Any) -> set[type]:
    """The classes of cells; where the first ones are of one class, by counting those, which is faster than a set."""
    first = set(map(type, islice(cells, _FIRST)))
    is_one = len(first) == 1 and hasattr(cells, "__len__") and countOf(map(type, cells), *first) == len(cells)
    return first if is_one else set(map(type, cells))


class _Cells:
    """The items of lists, or some of the cells, gone through again and again and never held: they can take no less."""

    def __init__(self, make: Callable[[], Iterator[Any]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        return self._make()
