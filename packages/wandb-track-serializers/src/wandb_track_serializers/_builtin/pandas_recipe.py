"""What pandas keeps and Arrow does not, column by column, and how it is put back."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from wandb_track_serializers._kinds import class_name
from wandb_track_serializers.errors import NotRepresentableError

from . import categories

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Recipe:
    """How to turn what Arrow gives back into the frame that was written; JSON, in the Parquet file's metadata.

    Attributes:
        objects: For each column (by position) of dtype object how its cells are had from Arrow's: "object" or
            "list", and its missing value: "None", "nan", "NA" or "NaT".
        categories: For each categorical column that Arrow changes, its categories (a base64 Arrow stream), their
            order, and whether the column holds them as text.
        dtypes: For other columns that Arrow changes, and levels of the index after them, the dtype to cast to.
        index: ``names`` and ``freq`` of the index, and ``columns_freq``, where Arrow changes them.
        series: The name, where the value was a series.
        notes: What will not come back as it was.
        arrow_types: Arrow's type for each field whose dtype does not tell it, by position; the index comes last.
    """

    KEY: ClassVar[bytes] = b"wandb_track"
    _STORED: ClassVar[tuple[str, ...]] = ("objects", "categories", "dtypes", "index", "series")

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, str]] = {}
        self.categories: dict[str, dict[str, Any]] = {}
        self.dtypes: dict[str, str] = {}
        self.index: dict[str, Any] = {}
        self.series: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.arrow_types: dict[int, pa.DataType] = {}

    def to_json(self) -> bytes:
        """The recipe, without what is empty."""
        return json.dumps({key: getattr(self, key) for key in self._STORED if getattr(self, key)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Recipe:
        """Read a recipe that somebody else wrote; raises ValueError or TypeError where it is none."""
        recipe = cls()
        for key, value in json.loads(data).items():
            if key in cls._STORED:
                if not isinstance(value, dict):
                    raise TypeError(f"{key!r} is of type {class_name(value)}, not dict")
                setattr(recipe, key, value)
        return recipe

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Look through a frame's columns, and return it with those replaced that Arrow cannot take as they are."""
        import pandas as pd

        prepared = frame
        if frame.columns.nlevels == 1 and frame.columns.inferred_type.startswith("mixed"):
            raise NotRepresentableError("its column labels are of several types, and Parquet's are text")
        for position, (label, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
            if isinstance(dtype, pd.api.extensions.ExtensionDtype) and _library(dtype) != "pandas":
                raise NotRepresentableError(f"column {label!r} has the dtype {dtype}, which only its own library reads")
            if pd.api.types.is_object_dtype(dtype):
                self._look_at_cells(position, frame.iloc[:, position], f"column {label!r}")
            elif isinstance(dtype, pd.CategoricalDtype) and not categories.in_dictionary(dtype, len(frame)):
                how = categories.stored(dtype)
                self.categories[str(position)] = how
                if how["as_text"]:
                    if prepared is frame:
                        prepared = frame.copy(deep=False)
                    texts = [str(category) for category in dtype.categories]
                    prepared.isetitem(position, frame.iloc[:, position].cat.rename_categories(texts))
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level)
            if pd.api.types.is_object_dtype(values.dtype):
                if values.hasnans:
                    raise NotRepresentableError("its index has the dtype object and misses values")
                known = _known_type(values.inferred_type, values)
                if known is None:
                    raise NotRepresentableError(f"its index holds {values.inferred_type} objects")
                self.arrow_types[frame.shape[1] + level] = known
        for axis, labels in (("freq", frame.index), ("columns_freq", frame.columns)):
            if isinstance(labels, pd.DatetimeIndex | pd.TimedeltaIndex) and labels.freqstr is not None:
                self.index[axis] = labels.freqstr
        names = list(frame.index.names)
        if any(name is not None and not isinstance(name, str) for name in names):
            if any(type(name) not in (str, int, float, bool, type(None)) for name in names):
                raise NotRepresentableError(f"the names of its index, {names!r}, are not JSON")
            self.index["names"] = names
            prepared = prepared.rename_axis(index=[None if name is None else str(name) for name in names])
        return prepared

    def repair(self, wanted: pd.DataFrame, got: pd.DataFrame, again: bool) -> bool:
        """Compare two frames, and add to the recipe what brings one's dtypes to the other's.

        Args:
            wanted: The head of the frame that is to be written.
            got: What comes back by this recipe.
            again: Whether this was repaired before: what differs now cannot be.

        Returns:
            Whether anything differed.

        Raises:
            NotRepresentableError: There is no way.
        """
        import pandas as pd

        old, new = wanted.columns, got.columns
        if not (new.equals(old) and new.dtype == old.dtype and list(new.names) == list(old.names)):
            raise NotRepresentableError(f"its column labels would change from {old!r} to {new!r}")
        fields = [(f"column {label!r}", *both) for label, *both in zip(old, wanted.dtypes, got.dtypes, strict=True)]
        ranged = isinstance(wanted.index, pd.RangeIndex)  # the trial has other rows than its metadata says
        if not ranged:
            levels = zip(_level_dtypes(wanted.index), _level_dtypes(got.index), strict=True)
            fields += [("its index", *both) for both in levels]
        differed = False
        for position, (where, before, after) in enumerate(fields):
            if not _same_dtype(before, after):
                name = _dtype_name(before)
                if again or not name:
                    raise NotRepresentableError(f"{where} would change from dtype {before} to {after}")
                self.dtypes[str(position)] = name
                differed = True
        if not ranged and list(wanted.index.names) != list(got.index.names):
            raise NotRepresentableError(f"the names of its index, {list(wanted.index.names)!r}, would change")
        return differed

    def apply(self, table: pa.Table, check: Callable[[int], None]) -> pd.DataFrame:
        """Turn a table into the frame that was written; `check` is told bytes before memory is taken for them."""
        import pandas as pd

        lists = {
            int(key): table.column(int(key)).to_pylist() for key, how in self.objects.items() if how["how"] == "list"
        }
        values = {key: categories.restored(how, check) for key, how in self.categories.items()}
        coded = {
            int(key): categories.codes(table.column(int(key)), values[key])
            for key, how in self.categories.items()
            if not how["as_text"]
        }
        frame: pd.DataFrame = table.to_pandas(self_destruct=True)
        for key, how in self.objects.items():
            position = int(key)
            cells = frame.iloc[:, position]
            if position in lists:
                cells = pd.Series(_object_array(lists[position]), frame.index, dtype=object, name=cells.name)
            cells = cells.astype(object)
            missing = cells.isna()
            if missing.any():
                cells[missing] = _missing_value(how["missing"])
            frame.isetitem(position, cells)
        for key, how in self.categories.items():
            position = int(key)
            codes = coded.get(position)
            if codes is None:
                texts = pd.CategoricalDtype([str(value) for value in values[key]])
                codes = frame.iloc[:, position].astype(texts).cat.codes
            dtype = pd.CategoricalDtype(values[key], how["ordered"])
            frame.isetitem(position, pd.Categorical.from_codes(codes, dtype=dtype))
        columns = frame.shape[1]
        for key, name in self.dtypes.items():
            if int(key) < columns:
                frame.isetitem(int(key), categories.cast(frame.iloc[:, int(key)], name, check))
            elif frame.index.nlevels == 1:
                frame.index = categories.cast(frame.index, name, check)
            else:
                level = int(key) - columns
                frame.index = frame.index.set_levels(
                    categories.cast(frame.index.levels[level], name, check), level=level
                )
        if "names" in self.index:
            frame.index.names = self.index["names"]
        for axis, labels in (("freq", frame.index), ("columns_freq", frame.columns)):
            if axis in self.index and len(labels):
                with suppress(ValueError):  # a name that only the pandas knew that wrote it
                    labels.freq = self.index[axis]
        return frame

    def _look_at_cells(self, position: int, cells: pd.Series[Any], where: str) -> None:
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        absent = cells.isna()
        present = cells[~absent] if absent.any() else cells
        missing = {_missing_kind(value) for value in cells[absent]}
        if "" in missing:
            raise NotRepresentableError(f"{where} holds missing values of a class of its own")
        if len(missing) > 1:
            self.notes.append(f"{where} misses values as {' and '.join(sorted(missing))}: they come back as None")
        how = {"how": "list", "missing": missing.pop() if len(missing) == 1 else "None"}
        kind = pd.api.types.infer_dtype(cells, skipna=True)
        try:
            known = _known_type(kind, present)
            if known is not None:
                self.arrow_types[position] = known
                how["how"] = "object" if kind in ("string", "bytes", "empty") else "list"
            else:
                array = pa.array(cells, from_pandas=True)
                if all(type(cell) is np.ndarray for cell in present):
                    how["how"] = "object"
                    kinds = {(cell.dtype, cell.ndim) for cell in present}
                    faithful = len(kinds) == 1 and present.iloc[0].dtype != object
                else:
                    faithful = _same([cell for cell in array.to_pylist() if cell is not None], list(present))
                if not faithful:
                    classes = ", ".join(sorted({type(cell).__name__ for cell in present}))
                    raise NotRepresentableError(f"{where} holds {kind} objects ({classes}), which Arrow would change")
                self.arrow_types[position] = array.type
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise NotRepresentableError(f"{where} holds {kind} objects: {error}") from error
        self.objects[str(position)] = how


def _known_type(kind: str, cells: Iterable[Any]) -> pa.DataType | None:
    """Arrow's type for objects of a kind, if all are of the very class that comes back: a datetime is a date, too."""
    import pyarrow as pa

    known = {
        "string": (str, pa.large_string()),
        "bytes": (bytes, pa.large_binary()),
        "boolean": (bool, pa.bool_()),
        "integer": (int, pa.int64()),
        "floating": (float, pa.float64()),
        "date": (datetime.date, pa.date32()),
        "empty": (object, pa.null()),
    }
    cls, arrow_type = known.get(kind, (None, None))
    return arrow_type if set(map(type, cells)) <= {cls} else None


def _missing_kind(value: Any) -> str:
    import pandas as pd

    if value is None:
        return "None"
    if value is pd.NA or value is pd.NaT:
        return "NA" if value is pd.NA else "NaT"
    return "nan" if type(value) is float else ""


def _missing_value(kind: str) -> Any:
    import pandas as pd

    return {"None": None, "nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT}[kind]


def _same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, also within lists and dictionaries."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    return bool(one == other)


def _same_dtype(one: Any, other: Any) -> bool:
    import pandas as pd

    if isinstance(one, pd.CategoricalDtype) and isinstance(other, pd.CategoricalDtype):
        old, new = one.categories, other.categories  # which == compares without their order
        return one.ordered == other.ordered and old.equals(new) and bool(old.dtype == new.dtype)
    return bool(one == other)


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _dtype_name(dtype: Any) -> str:
    """A name that says all about a dtype; empty where there is none."""
    import pandas as pd

    for name in (str(dtype), f"string[{getattr(dtype, 'storage', '')}]"):
        with suppress(TypeError, ValueError, NotImplementedError):
            if pd.api.types.pandas_dtype(name) == dtype:
                return name
    return ""


def _level_dtypes(index: pd.Index[Any]) -> list[Any]:
    levels = getattr(index, "levels", [index])
    return [level.dtype for level in levels]


def _object_array(cells: list[Any]) -> Any:
    import numpy as np

    array: Any = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array
