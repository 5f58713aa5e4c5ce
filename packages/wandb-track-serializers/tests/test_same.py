"""Values that people have, and that were changed by being stored: each comes back the same, in another process."""

import datetime
import decimal
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
from same import difference
from wandb_track_serializers import load

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

D = decimal.Decimal
DAY = datetime.timedelta(days=1)
UTC = datetime.timezone.utc
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
NOON = datetime.datetime(2024, 3, 30, 12)
PARQUET, PICKLE = "pandas.parquet", "builtins.pickle"


def column(*cells: Any) -> Any:
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


def indexed(index: Any) -> Any:
    return pd.DataFrame({"a": np.arange(len(index))}, index=index)


def categories(*values: Any, dtype: Any = None) -> Any:
    kinds = pd.Index(list(values), dtype=dtype)
    return pd.DataFrame({"a": pd.Categorical.from_codes([len(values) - 1, 0, -1], dtype=pd.CategoricalDtype(kinds))})


def dates(freq: Any) -> Any:
    return indexed(pd.date_range("2024-01-02", periods=5, freq=freq))


def with_flag() -> Any:
    return pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)


def with_attrs(**attrs: Any) -> Any:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = attrs
    return frame


class Table(pd.DataFrame):
    @property
    def _constructor(self):
        return Table


FRAMES: dict[str, tuple[Any, str | None]] = {
    "categories of Decimal": (lambda: categories(D("1.5"), D("2.5")), None),
    "a series of them": (lambda: pd.Series(pd.Categorical([D("1.5"), D("2.5")])), None),
    "categories of Decimal with other digits": (lambda: categories(D("1"), D("2.50")), PICKLE),
    "categories of timedelta objects": (lambda: categories(DAY, 2 * DAY, dtype=object), None),
    "categories of date objects": (lambda: categories(NOON.date(), (NOON + DAY).date(), dtype=object), None),
    "categories of datetime objects": (lambda: categories(NOON, NOON + DAY, dtype=object), None),
    "categories of time objects": (lambda: categories(NOON.time(), datetime.time(1), dtype=object), None),
    "categories of tuples": (
        lambda: pd.DataFrame({"a": pd.Categorical(pd.Index([(1, 2), (3, 4)], tupleize_cols=False))}),
        PICKLE,
    ),
    "categories of text and numbers": (lambda: categories("1", 1, dtype=object), PICKLE),
    "categories of bytes": (lambda: categories(b"a", b"b"), None),
    "categories of floats": (lambda: categories(0.1, -0.0), PARQUET),
    "categories of text as objects": (lambda: categories("a", "b", dtype=object), PARQUET),
    "categories of nullable integers": (lambda: categories(1, 2, dtype="Int64"), None),
    "categories of periods": (lambda: pd.DataFrame({"a": pd.Categorical(pd.period_range("2024", periods=2))}), None),
    "categories of times with a zone": (
        lambda: pd.DataFrame({"a": pd.Categorical(pd.date_range("2024", periods=2, tz="Europe/Berlin"))}),
        PARQUET,
    ),
    "two UTC offsets": (lambda: column(NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=EAST)), PICKLE),
    "one UTC offset": (lambda: column(NOON.replace(tzinfo=EAST), None), None),
    "a time with a zone": (lambda: column(NOON.time().replace(tzinfo=EAST)), PICKLE),
    "a fold": (lambda: column(NOON.replace(fold=1)), PICKLE),
    "datetimes and timestamps": (lambda: column(NOON, pd.Timestamp(NOON)), PICKLE),
    "timedeltas": (lambda: column(DAY, None), None),
    "an index of offsets": (
        lambda: indexed(pd.Index([NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=EAST)], dtype=object)),
        PICKLE,
    ),
    "custom business days": (lambda: dates(pd.offsets.CustomBusinessDay(holidays=["2024-01-03"])), PICKLE),
    "business hours": (lambda: dates(pd.offsets.BusinessHour(start="10:00")), PICKLE),
    "months and days": (lambda: dates(pd.DateOffset(months=1, days=2)), PICKLE),
    "business days": (lambda: dates("B"), PARQUET),
    "weeks on a day": (lambda: dates("W-WED"), PARQUET),
    "quarters that begin in February": (lambda: dates("QS-FEB"), PARQUET),
    "90 minutes": (lambda: dates("90min"), PARQUET),
    "timedeltas as an index": (lambda: indexed(pd.timedelta_range("1h", periods=3, freq="2h")), PARQUET),
    "times as labels": (lambda: pd.DataFrame([[1, 2]], columns=pd.date_range("2024", periods=2, freq="MS")), PARQUET),
    "periods as an index": (lambda: indexed(pd.period_range("2024", periods=3, freq="Q-FEB")), None),
    "intervals as an index": (lambda: indexed(pd.interval_range(0, 3)), None),
    "categories as an index": (
        lambda: indexed(pd.CategoricalIndex(["b", "a"], ["c", "b", "a"], ordered=True)),
        None,
    ),
    "categories of numbers as an index": (lambda: indexed(pd.CategoricalIndex([3, 1], [3, 2, 1])), None),
    "Decimals of other digits": (lambda: column(D("10"), D("2.50")), PICKLE),
    "Decimals of the same digits": (lambda: column(D("10.00"), D("2.50"), None), PARQUET),
    "Decimals that are NaN": (lambda: column(D("NaN"), D("1")), PICKLE),
    "a series of Decimals": (lambda: pd.Series([D("10"), D("2.50")]), PICKLE),
    "lists of Decimals": (lambda: column([D("10"), D("2.50")]), PICKLE),
    "arrays of text in cells": (lambda: column(np.array(["abc", "d"])), PICKLE),
    "arrays of bytes in cells": (lambda: column(np.array([b"ab", b"c"])), PICKLE),
    "arrays of times in cells": (lambda: column(np.array(["2024-01-01"], "M8[s]")), PICKLE),
    "arrays of small floats in cells": (lambda: column(np.array([1.5], "f2"), None), None),
    "arrays of floats with NaN in cells": (lambda: column(np.array([1.5, np.nan]), None), None),
    "arrays of truth in cells": (lambda: column(np.array([True, False])), None),
    "arrays of times and text in cells": (lambda: column(np.array(["2024"], "M8[s]"), np.array(["a"])), PICKLE),
    "such arrays in dictionaries": (lambda: column({"x": np.array(["2024"], "M8[s]")}, {"x": np.array(["a"])}), PICKLE),
    "such arrays in lists": (lambda: column([np.array(["2024"], "M8[s]"), np.array(["a"])]), PICKLE),
    "arrays in dictionaries": (lambda: column({"x": np.array([1.0])}, {"x": np.array([2.0, 3.0])}), PICKLE),
    "arrays in lists of lists": (lambda: column([[np.array([1])]], [[np.array([2])]]), PICKLE),
    "arrays of several dtypes in cells": (lambda: column(np.array([1]), np.array([1.5])), PICKLE),
    "arrays of the other byte order in cells": (lambda: column(np.array([1, 2], ">i4")), PICKLE),
    "arrays of two dimensions in cells": (lambda: column(np.eye(2)), PICKLE),
    "no array but empty ones": (lambda: column(np.array([], "f4"), np.array([], "f4")), None),
    "lists of floats": (lambda: column([0.5, 1.5], [], None), PARQUET),
    "lists with None": (lambda: column([1, None], ["a"][:0]), PARQUET),
    "lists with NaN": (lambda: column([float("nan"), 1.5, None], None, [float("nan")]), PARQUET),
    "dictionaries with NaN": (lambda: column({"x": float("nan"), "y": [float("nan"), None]}, float("nan")), PARQUET),
    "arrays with NaN, of which one is missing": (lambda: column(np.array([np.nan, 1.5]), pd.NaT, None), PARQUET),
    "lists of integers and floats": (lambda: column([1, 2.5]), PICKLE),
    "lists of truth and integers": (lambda: column([True, 2]), PICKLE),
    "lists in lists of lists": (lambda: column([[[1]], [[2], []]], [], [None, [None]]), PARQUET),
    "lists of several depths": (lambda: column([[1]], [1]), PICKLE),
    "lists of dictionaries": (lambda: column([{"x": 1}], []), PARQUET),
    "lists of nothing": (lambda: column([None], [None, None]), None),
    "datetimes beyond those of pandas": (lambda: column(NOON.replace(year=9999), NOON.replace(year=1), None), PARQUET),
    "lists in lists": (lambda: column([[1], [2, 3]], [[]]), PARQUET),
    "dictionaries with None": (lambda: column({"x": 1, "y": None}, {"x": None, "y": "z"}), PARQUET),
    "dictionaries with other order": (lambda: column({"x": 1, "y": 2}, {"y": 1, "x": 2}), PICKLE),
    "dictionaries with lists of NumPy's": (lambda: column({"x": [np.int64(1)]}), PICKLE),
    "missing values of several kinds": (lambda: column("x", None, float("nan"), pd.NA, pd.NaT, "y"), PARQUET),
    "numbers and missing values of several kinds": (lambda: column(1, None, float("nan"), pd.NaT), PARQUET),
    "floats and None": (lambda: column(1.5, None, float("nan")), PARQUET),
    "truth and NA": (lambda: column(True, pd.NA), PARQUET),
    "integers among floats": (lambda: column(1, 2.0), PICKLE),
    "a bytearray": (lambda: column(bytearray(b"x"), b"y"), PICKLE),
    "pandas' timestamps": (lambda: column(pd.Timestamp("2024")), PICKLE),
    "NaT of NumPy": (lambda: column(np.datetime64("NaT")), PICKLE),
    "NaN beside NA": (
        lambda: pd.DataFrame({"a": pd.arrays.FloatingArray(np.array([np.nan, 1]), np.array([False, True]))}),
        PICKLE,
    ),
    "NaN of Arrow's dtypes": (
        lambda: pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(pa.array([float("nan"), None, 1.5]))}),
        None,
    ),
    "times with a freq as categories": (
        lambda: pd.DataFrame(
            {str(zone): pd.Categorical(pd.date_range("2024", periods=3, tz=zone)) for zone in ("UTC", None)}
        ),
        PARQUET,
    ),
    "timedeltas with a freq as categories": (
        lambda: pd.Series(pd.Categorical(pd.timedelta_range("1h", periods=3, freq="2h"))),
        PARQUET,
    ),
    "custom business days as categories": (
        lambda: pd.Series(
            pd.Categorical(
                pd.date_range("2024-01-02", periods=3, freq=pd.offsets.CustomBusinessDay(holidays=["2024-01-03"]))
            )
        ),
        PICKLE,
    ),
    "many categories": (
        lambda: pd.DataFrame(
            {
                name: pd.Categorical.from_codes(
                    [-1 if name == "times" else 1_999, 0, -1], values, ordered=name == "floats"
                )
                for name, values in {
                    "text": [f"t{number}" for number in range(2_000)][::-1],
                    "numbers": [*range(2_000)][::-1],
                    "floats": np.arange(2_000) / 3,
                    "times": pd.date_range("2024", periods=2_000, freq="h", tz="UTC"),
                    "timedeltas": pd.timedelta_range("1h", periods=2_000, freq="2h"),
                    "intervals": pd.interval_range(0, 2_000),
                    "Decimals": [D(number) / 4 + D("0.00") for number in range(2_000)],
                }.items()
            }
        ),
        PARQUET,
    ),
    "many categories, the first one missing": (
        lambda: pd.Series(pd.Categorical.from_codes([-1, 300], range(2_000), ordered=True)),
        PARQUET,
    ),
    "many categories of which one is a subclass of text": (
        lambda: pd.Series(pd.Categorical.from_codes([0], [*map(str, range(2_000)), np.str_("x")])),
        None,
    ),
    "categories of a subclass of text": (
        lambda: pd.Series(
            pd.Categorical.from_codes([0], dtype=pd.CategoricalDtype(pd.Index([np.str_("z")], dtype=object)))
        ),
        None,
    ),
    "categories, rows with numbers that are not in order": (
        lambda: pd.DataFrame({"c": pd.Categorical(["a", "b", "a"])}, index=[3.0, 1.0, 2.0]),
        PARQUET,
    ),
    "Decimals with an exponent": (lambda: column(D("1E+3"), D("2E+3")), PICKLE),
    "tens of Arrow": (lambda: pd.DataFrame({"a": pd.array([D(1000)], pd.ArrowDtype(pa.decimal128(5, -2)))}), PICKLE),
    "dicts beside a column of their path": (
        lambda: pd.DataFrame({"a": [{"b": "x"}, {"b": "y"}], "a.b": [1, 2]}),
        PARQUET,
    ),
    "nullable floats": (lambda: pd.DataFrame({"a": pd.array([0.5, None], "Float32")}), PARQUET),
    "views of text": (lambda: pd.DataFrame({"a": pd.array(["x", None], pd.ArrowDtype(pa.string_view()))}), PICKLE),
    "large text of Arrow": (lambda: pd.DataFrame({"a": pd.array(["x"], pd.ArrowDtype(pa.large_string()))}), None),
    "Decimals of Arrow": (lambda: pd.DataFrame({"a": pd.array([D("1.50")], pd.ArrowDtype(pa.decimal128(9, 2)))}), None),
    "lists of Arrow": (lambda: pd.DataFrame({"a": pd.array([[1], None], pd.ArrowDtype(pa.list_(pa.int8())))}), None),
    "dates of Arrow": (lambda: pd.DataFrame({"a": pd.array([NOON.date()], pd.ArrowDtype(pa.date32()))}), None),
    "dictionaries of Arrow": (
        lambda: pd.DataFrame({"a": pd.array(["x"], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())))}),
        None,
    ),
    "text in every dtype": (
        lambda: pd.DataFrame({kind: pd.array(["x", None], kind) for kind in ("string", "string[python]", "str")}),
        None,
    ),
    "small floats": (lambda: pd.DataFrame({"a": np.array([1.5, np.nan], "f2")}), None),
    "long floats": (lambda: pd.DataFrame({"a": np.array([1.5], "longdouble")}), PICKLE),
    "negative zero": (lambda: pd.DataFrame({"a": [-0.0, 0.0]}), PARQUET),
    "labels of a default frame": (lambda: pd.DataFrame(np.eye(2)), PARQUET),
    "labels of a range": (lambda: pd.DataFrame(np.eye(2), columns=pd.RangeIndex(5, 1, -2, name="c")), PARQUET),
    "attrs with a tuple": (lambda: with_attrs(a=(1, 2)), PICKLE),
    "attrs with a number as a key": (lambda: with_attrs(a={1: 2}), PICKLE),
    "attrs with NaN": (lambda: with_attrs(a=float("nan")), PARQUET),
    "a flag": (with_flag, PICKLE),
    "a subclass": (lambda: Table({"a": [1]}), PICKLE),
    "nothing": (lambda: pd.DataFrame(), PARQUET),
    "rows without columns": (lambda: pd.DataFrame(index=range(3)), PICKLE),
    "no rows": (lambda: dates("D").iloc[:0], None),
    "levels": (
        lambda: indexed(pd.MultiIndex.from_tuples([(NOON.date(), 1.5), (NOON.date(), 2.5)], names=["x", 3])),
        PARQUET,
    ),
    "levels of text with missing ones": (lambda: indexed(pd.MultiIndex.from_tuples([("a", 1), (None, 2)])), None),
    "levels of a product": (lambda: indexed(pd.MultiIndex.from_product([["a", "b"], range(3)])), PARQUET),
    "an index of floats as objects": (lambda: indexed(pd.Index([0.5, 1.5], dtype=object)), PARQUET),
    "an index of integers as objects": (lambda: indexed(pd.Index([1, 2], dtype=object)), PARQUET),
    "an index of small integers": (lambda: indexed(pd.Index([1, 2], dtype="int8")), PARQUET),
    "a name of several parts": (lambda: pd.Series([1], name=("a", 1)), PICKLE),
    "a name that is NaN": (lambda: pd.Series([1], name=float("nan")), PARQUET),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_comes_back_the_same(case, stored):
    """In Parquet where that keeps it, in a pickle elsewhere; None stands for either, as it differs among versions."""
    make, serializer = FRAMES[case]
    if case == "views of text" and not hasattr(pa, "string_view"):
        pytest.skip("pyarrow has it since 16")
    manifest, found, is_safe = stored(make())
    assert found == ""
    assert manifest.kind == "dataset"
    assert serializer in (None, manifest.serializer), manifest.notes
    assert is_safe == (manifest.serializer == PARQUET)


class Pair(NamedTuple):
    left: Any
    right: Any = 3


def test_the_rule_tells_what_people_would_not_mix_up():
    """Values that are equal by `==`, or print the same, and are not the same."""
    apart = [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ("a", np.str_("a")),
        (D("10"), D("10.00")),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC).astimezone(EAST)),
        (NOON, NOON.replace(fold=1)),
        (NOON, pd.Timestamp(NOON)),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (np.array([1], "i4"), np.array([1], "i8")),
        (np.array(["M8"], "U3"), np.array(["M8"], "U4")),
        (np.zeros((1, 2)), np.zeros((2, 1))),
        (np.array([1, None]), np.array([1.0, None])),
        (pd.Series([1]), pd.Series([1], dtype="Int64")),
        (pd.Series(["x"], dtype="string[python]"), pd.Series(["x"], dtype="string[pyarrow]")),
        (pd.Series(pd.Categorical(["a"], ["a", "b"])), pd.Series(pd.Categorical(["a"], ["b", "a"]))),
        (dates("D"), indexed(pd.DatetimeIndex(dates("D").index, freq=None))),
        (pd.Categorical(dates("D").index), pd.Categorical(pd.DatetimeIndex(dates("D").index, freq=None))),
        (pd.DataFrame([[1]]), pd.DataFrame([[1]], columns=[0])),
        (with_attrs(a=1), with_attrs(a=True)),
        (pa.table({"a": pa.array([1], pa.int8())}), pa.table({"a": pa.array([1], pa.int16())})),
        (Pair(1), (1, 3)),
    ]
    for one, other in apart:
        assert difference(one, other), (one, other)
        assert difference(one, one) == difference(other, other) == ""
    for value in (float("nan"), [np.nan], np.array([np.nan]), pd.Series([np.nan]), {"a": (None, pd.NA)}):
        assert difference(value, value.copy() if hasattr(value, "copy") else value) == ""


ARRAYS = {
    "text": lambda: np.array(["abc", "d"]),
    "bytes": lambda: np.array([b"ab", b"c"], "S2"),
    "times": lambda: np.array(["2024-01-01", "NaT"], "M8[s]"),
    "the other byte order": lambda: np.arange(3, dtype=">f8"),
    "one number": lambda: np.array(3.5),
    "nothing": lambda: np.zeros((0, 3), "i2"),
    "columns first": lambda: np.asfortranarray(np.arange(6).reshape(2, 3)),
    "every second": lambda: np.arange(10)[::2],
    "fields": lambda: np.array([(1, "x")], [("a", "i4"), ("b", "U3")]),
    "very many fields": lambda: np.zeros(2, [(f"field {number}", "f8") for number in range(1_000)]),
    "aligned fields": lambda: np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "objects": lambda: np.array([1, "x", None], dtype=object),
    "a mask": lambda: np.ma.masked_array([1, 2], [True, False]),
    "a matrix": lambda: np.matrix([[1]]),
    "records": lambda: np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "metadata": lambda: np.zeros(2, np.dtype("i4", metadata={"unit": "m"})),
    "variable text": lambda: np.array(["a", "bcd"], np.dtypes.StringDType()),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_comes_back_the_same(case, stored):
    if case == "variable text" and not hasattr(getattr(np, "dtypes", None), "StringDType"):
        pytest.skip("NumPy has it since 2.0")
    assert stored(ARRAYS[case]())[1] == ""


def test_what_is_stored_at_once_by_a_wrong_cell_is_not_half_written(tmp_path):
    """Cells that fail late, in a later row group than the first, make a pickle of all."""
    from wandb_track_serializers import dump

    frame = pd.DataFrame({"a": pd.Series([*range(200_000), 2**70], dtype=object)})
    manifest = dump(frame, tmp_path / "x")
    assert [file.path for file in manifest.files] == ["value.pkl"]
    assert difference(frame, load(tmp_path / "x", trusted=True)) == ""
