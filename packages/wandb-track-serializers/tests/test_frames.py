"""Frames: what comes back as it was, and what is pickled instead and says so."""

import datetime
import decimal
import tracemalloc
import uuid
from pathlib import PurePosixPath
from typing import Any

import pytest
from same import difference

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from wandb_track_serializers import NotRepresentableError, UntrustedError, dump, load  # noqa: E402 (needs pandas)
from wandb_track_serializers._builtin import arrow  # noqa: E402


def series(values: Any, dtype: Any = object) -> Any:
    return pd.Series(values, dtype=dtype)


def assert_same(old: Any, new: Any) -> None:
    assert difference(old, new) == ""


FAITHFUL = {
    "text as objects": lambda: pd.DataFrame({"a": series(["x", None])}),
    "text as objects with NaN": lambda: pd.DataFrame({"a": series(["x", np.nan])}),
    "text as objects with NA": lambda: pd.DataFrame({"a": series(["x", pd.NA])}),
    "text": lambda: pd.DataFrame(
        {"a": ["x", None]}
        | {dtype: pd.array(["x", None], dtype) for dtype in ("string", "string[python]", "string[pyarrow]")}
    ),
    "numbers as objects": lambda: pd.DataFrame({"a": series([1, None]), "b": series([0.5, np.nan])}),
    "truth as objects": lambda: pd.DataFrame({"a": series([True, None]), "b": series([True, False])}),
    "nothing but missing": lambda: pd.DataFrame({"a": series([None, None]), "b": series([np.nan, np.nan])}),
    "dates": lambda: pd.DataFrame({"a": series([datetime.date(2020, 1, 1), None])}),
    "times": lambda: pd.DataFrame({"a": series([datetime.time(1, 2, 3), None])}),
    "datetimes as objects": lambda: pd.DataFrame({"a": series([datetime.datetime(2020, 1, 1), None])}),
    "decimals": lambda: pd.DataFrame({"a": series([decimal.Decimal("1.50"), decimal.Decimal("2.25")])}),
    "bytes": lambda: pd.DataFrame({"a": series([b"a\0", None])}),
    "lists": lambda: pd.DataFrame({"a": series([[1, 2], [], None])}),
    "nested lists": lambda: pd.DataFrame({"a": series([[["x"], []], [["y"]]])}),
    "dictionaries of the same keys": lambda: pd.DataFrame({"a": series([{"x": 1, "y": "z"}, {"x": 2, "y": "w"}])}),
    "arrays in cells": lambda: pd.DataFrame({"a": series([np.arange(2), np.arange(3)])}),
    "small types": lambda: pd.DataFrame({"a": np.array([1], "int8"), "b": np.array([2], "uint64"), "c": [True]}),
    "floats": lambda: pd.DataFrame({"a": np.array([0.1, np.nan], "float32"), "b": [np.inf, -0.0]}),
    "nullable": lambda: pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
    "Arrow's dtypes": lambda: pd.DataFrame({"a": pd.array([1, None], "int64[pyarrow]")}),
    "categories": lambda: pd.DataFrame({"a": pd.Categorical(["a", None], ["b", "a"], ordered=True)}),
    "categories of numbers": lambda: pd.DataFrame({"a": pd.Categorical([3, None, 1], [3, 2, 1])}),
    "categories of dates": lambda: pd.DataFrame(
        {"a": pd.Categorical(pd.DatetimeIndex(["2020-02-02", "2020-01-01"], tz="UTC"))}
    ),
    "categories of intervals": lambda: pd.DataFrame({"a": pd.cut([1, 2, 3], 2)}),
    "unused categories": lambda: pd.DataFrame({"a": pd.Categorical([None, None], ["z", "y"])}),
    "categories without rows": lambda: pd.DataFrame({"a": pd.Categorical([], ["z", "y"])}),
    "intervals": lambda: pd.DataFrame({"a": pd.arrays.IntervalArray.from_breaks([1, 2, 3], closed="left")}),
    "periods": lambda: pd.DataFrame({"a": pd.period_range("2020", periods=3, freq="M")}),
    "times in every unit": lambda: pd.DataFrame(
        {u: np.array(["2020-01-01T00:00:01"], f"M8[{u}]") for u in ("s", "ms", "us", "ns")}
        | {f"d{u}": np.array([1], f"m8[{u}]") for u in ("s", "ms", "us", "ns")}
    ),
    "time zones": lambda: pd.DataFrame(
        {
            "a": pd.date_range("2020-10-24", periods=3, tz="Europe/Berlin"),
            "b": pd.date_range("2020", periods=3, tz=datetime.timezone(datetime.timedelta(hours=5, minutes=30))),
        }
    ),
    "a range": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="q")),
    "an index of text": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(["a", "b"], dtype=object, name="k")),
    "an index of objects": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index([datetime.date(2020, 1, 1)] * 2)),
    "an index of times": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="2D")),
    "a categorical index": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["x", "y"])),
    "several levels": lambda: pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None])
    ),
    "an index named by a number": lambda: pd.DataFrame({"a": [1]}, index=pd.Index([7], name=5)),
    "labels of numbers": lambda: pd.DataFrame([[1, 2]]),
    "labels of times": lambda: pd.DataFrame([[1, 2]], columns=pd.date_range("2020", periods=2)),
    "labels of several levels": lambda: pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None])
    ),
    "odd labels": lambda: pd.DataFrame({"": [1], "a.b": ["x"], "a b/ü": [2]}, index=["i"]),
    "a name for the columns": lambda: pd.DataFrame([[1]], columns=pd.Index(["a"], name="cols")),
    "nothing": lambda: pd.DataFrame(),
    "columns without rows": lambda: pd.DataFrame({"a": series([], "float32"), "b": series([])}),
}

DATE, TIME = datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, 13, 45)


class Text(str):
    __slots__ = ()


PICKLED = {
    "numbers and text": (lambda: pd.DataFrame({"a": series([1, "a"])}), "column 'a' holds objects (int, str)"),
    "numbers beyond 64 bits": (lambda: pd.DataFrame({"a": series([2**70, 1])}), "too large"),
    "text, NaN and, far down, a number": (
        lambda: pd.DataFrame({"a": series([np.nan, *["x"] * 50_000, 1.5])}),
        "column 'a' holds what Arrow would change",
    ),
    "labels of text and a number": (
        lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", 1.5], dtype=object)),
        "its index holds objects",
    ),
    "sets": (lambda: pd.DataFrame({"a": series([{1}])}), "column 'a' holds objects ("),
    "tuples": (lambda: pd.DataFrame({"a": series([(1, 2)])}), "column 'a' holds objects ("),
    "dictionaries of other keys": (lambda: pd.DataFrame({"a": series([{"x": 1}, {"y": 2}])}), "column 'a'"),
    "arrays of objects in cells": (
        lambda: pd.DataFrame({"a": series([np.array(["x", "yy"], dtype=object), None])}),
        "column 'a' holds objects (ndarray)",
    ),
    "objects of a class": (
        lambda: pd.DataFrame({"a": series([PurePosixPath("a"), None])}),
        "column 'a' holds objects (",
    ),
    "complex numbers": (lambda: pd.DataFrame({"a": [1j]}), "Arrow cannot hold it"),
    "sparse": (lambda: pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), "Sparse"),
    "half a surrogate pair": (lambda: pd.DataFrame({"a": series(["\udc80"])}), "surrogates not allowed"),
    "labels of several types": (lambda: pd.DataFrame([[1, 2]], columns=[1, "a"]), "would change"),
    "a label twice": (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
    "a mixed index": (
        lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(["a", 1], dtype=object)),
        "its index holds objects (int, str)",
    ),
    "an index with holes": (
        lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index([None, "b"], dtype=object)),
        "its index holds objects",
    ),
    "attrs that are no JSON": (lambda: with_attrs({"f": uuid.UUID(int=1)}), "its attrs would change"),
    "dates and times": (lambda: pd.DataFrame({"a": series([DATE, TIME])}), "column 'a' holds objects (date, datetime)"),
    "an index of dates and times": (
        lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index([DATE, TIME])),
        "holds objects (date, datetime)",
    ),
    "NumPy's integers": (
        lambda: pd.DataFrame({"a": series([np.int64(1), 2])}),
        "column 'a' holds objects (int, int64)",
    ),
    "NumPy's floats": (lambda: pd.DataFrame({"a": series([np.float32(1.5)])}), "column 'a' holds objects (float32)"),
    "NumPy's text": (lambda: pd.DataFrame({"a": series([np.str_("x"), "y"])}), "column 'a' holds objects ("),
    "a subclass of text": (lambda: pd.DataFrame({"a": series([Text("x")])}), "column 'a' holds objects ("),
    "an index of NumPy's text": (
        lambda: pd.DataFrame({"a": [1]}, index=pd.Index([np.str_("x")], dtype=object)),
        "its index holds objects (str_)",
    ),
    "NumPy's NaN": (
        lambda: pd.DataFrame({"a": series([np.float64("nan"), "x"])}),
        "column 'a' holds objects (float64, str)",
    ),
    "NumPy's NaN and None": (
        lambda: pd.DataFrame({"a": series([np.float64("nan"), None, "x"])}),
        "column 'a' holds objects (float64, str)",
    ),
    "NumPy's NaN and Python's": (
        lambda: pd.DataFrame({"a": series([np.float64("nan"), float("nan"), "x"])}),
        "missing values of a class",
    ),
    "a dtype of another library": (lambda: pd.DataFrame({"a": Foreign([1, 2])}), "only its own library"),
}


class ForeignType(pd.api.extensions.ExtensionDtype):
    name = "foreign"
    type = int

    @classmethod
    def construct_array_type(cls):
        return Foreign


class Foreign(pd.api.extensions.ExtensionArray):
    """An extension array as other libraries bring them, which knows how Arrow could hold it."""

    dtype = ForeignType()

    def __init__(self, values):
        self.values = np.asarray(values)

    @classmethod
    def _from_sequence(cls, scalars, *, dtype=None, copy=False):
        return cls(scalars)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, item):
        found = self.values[item]
        return found if np.isscalar(found) else Foreign(found)

    def __arrow_array__(self, type=None):
        return pa.array(self.values)

    def isna(self):
        return np.zeros(len(self), bool)

    def copy(self):
        return Foreign(self.values.copy())


def with_attrs(attrs: dict[str, Any]) -> Any:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = attrs
    return frame


@pytest.mark.parametrize("case", FAITHFUL)
def test_comes_back_as_it_was(case, tmp_path):
    """The frame comes back from Parquet with its index, dtypes, cells, categories, units and time zones."""
    frame = FAITHFUL[case]()
    manifest = dump(frame, tmp_path / "x", "frame")
    assert (manifest.serializer, manifest.notes) == ("pandas.parquet", ())
    assert_same(frame, load(tmp_path / "x"))
    plain = pd.read_parquet(tmp_path / "x" / "files" / "frame.parquet")
    assert plain.shape == frame.shape


@pytest.mark.parametrize("case", PICKLED)
def test_what_parquet_would_change_is_pickled(case, tmp_path, caplog):
    """A frame that would not come back as it was is pickled; manifest and log name the reason."""
    make, reason = PICKLED[case]
    frame = make()
    manifest = dump(frame, tmp_path / "x", "frame")
    assert (manifest.serializer, manifest.kind) == ("builtins.pickle", "dataset")
    assert [entry.path for entry in manifest.files] == ["frame.pkl"]
    assert reason in manifest.notes[0]
    assert reason in caplog.text
    with pytest.raises(UntrustedError):
        load(tmp_path / "x")
    back = load(tmp_path / "x", trusted=True)
    pd.testing.assert_frame_equal(frame, back)
    assert list(map(type, back.index)) == list(map(type, frame.index))
    assert back.attrs == frame.attrs


def test_a_label_like_that_of_a_stored_index(tmp_path):
    """A column that has the name under which Arrow stores an index is not mixed up with it."""
    frame = pd.DataFrame({"__index_level_0__": [1, 2]}, index=["a", "b"])
    try:
        frame.to_parquet(tmp_path / "plain.parquet")
        is_kept_apart = pd.read_parquet(tmp_path / "plain.parquet").columns.equals(frame.columns)
    except ValueError:
        is_kept_apart = False
    manifest = dump(frame, tmp_path / "x")
    if is_kept_apart:
        assert_same(frame, load(tmp_path / "x"))
        assert manifest.serializer == "pandas.parquet"
    else:  # pandas 2.0 and Arrow mix them up themselves
        assert_same(frame, load(tmp_path / "x", trusted=True))
        assert "column" in manifest.notes[0]


def test_attrs(tmp_path):
    """attrs come back, through this package and through plain pandas."""
    frame = with_attrs({"a": [1, {"b": None}], "unit": "m"})
    dump(frame, tmp_path / "x")
    assert load(tmp_path / "x").attrs == frame.attrs
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (2, 1):
        assert pd.read_parquet(tmp_path / "x" / "files" / "value.parquet").attrs == frame.attrs


@pytest.mark.parametrize("name", [None, "s", 5, 0.5, True])
def test_series(name, tmp_path):
    """A series comes back as a series with its name, index and attrs."""
    values = pd.Series([1, 2], index=["a", "b"], name=name)
    values.attrs = {"k": 1}
    dump(values, tmp_path / "x")
    back = load(tmp_path / "x")
    pd.testing.assert_series_equal(values, back)
    assert back.attrs == {"k": 1}
    assert type(back.name) is type(name)


def test_a_series_whose_name_is_no_json_is_pickled(tmp_path):
    """A series named by a tuple is pickled, and says why."""
    manifest = dump(pd.Series([1], name=("a", 1)), tmp_path / "x")
    assert "the series' name is a tuple" in manifest.notes[0]
    assert load(tmp_path / "x", trusted=True).name == ("a", 1)


COLUMNS = {
    "words": lambda dice, rows: WORDS[dice.integers(0, len(WORDS), rows)],
    "words, some missing": lambda dice, rows: np.where(dice.random(rows) < 0.1, np.nan, COLUMNS["words"](dice, rows)),
    "few words": lambda dice, rows: WORDS[dice.integers(0, 9, rows)],
    "sorted keys": lambda dice, rows: np.array([f"key-{number // 2:09d}" for number in range(rows)], dtype=object),
    "hashes": lambda dice, rows: np.array([f"{number:032x}" for number in dice.integers(0, 2**62, rows)], dtype=object),
    "late words": lambda dice, rows: np.r_[[None] * (rows // 4), COLUMNS["words"](dice, rows - rows // 4)],
    "numbers in order, many missing": lambda dice, rows: np.where(
        np.arange(rows) // 2048 % 3 == 0, -1, np.arange(rows)
    ),
    "long texts": lambda dice, rows: np.array([f"{n} " * 999 for n in dice.random(50)], dtype=object)[
        dice.integers(0, 50, 4_000)
    ],
    "whole numbers in order": lambda dice, rows: np.arange(rows),
    "whole numbers": lambda dice, rows: dice.integers(0, 2**40, rows),
    "small numbers": lambda dice, rows: dice.integers(0, 300, rows),
    "prices": lambda dice, rows: np.round(dice.gamma(2, 20, rows), 2),
    "numbers": lambda dice, rows: dice.standard_normal(rows),
    "mostly 0": lambda dice, rows: np.where(dice.random(rows) < 0.9, 0, dice.random(rows)),
    "times": lambda dice, rows: pd.date_range("2024", periods=rows, freq="s"),
    "flags": lambda dice, rows: dice.random(rows) < 0.5,
}
WORDS = np.array([f"word {number}" for number in range(20_000)], dtype=object)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_is_no_larger_than_pandas_own(name, tmp_path):
    """But for a tenth: also where words repeat late, and where a dictionary's words alone would be compressed."""
    frame = pd.DataFrame({"a": COLUMNS[name](np.random.default_rng(0), 300_000)})
    frame.to_parquet(tmp_path / "pandas")
    dump(frame, tmp_path / "x", name="a")
    written = tmp_path / "x" / "files" / "a.parquet"
    assert written.stat().st_size <= 1.1 * (tmp_path / "pandas").stat().st_size


LARGE = {  # columns of some 64 MiB
    "arrays": lambda rng: [*rng.standard_normal((8_000, 1_000))],
    "lists": lambda rng: rng.standard_normal((2_000, 1_000)).tolist(),
    "lists, some missing": lambda rng: [*rng.standard_normal((2_000, 1_000)).tolist(), None],
    "dictionaries": lambda rng: [{"x": float(n), "y": str(n)} for n in range(230_000)],
    "long text": lambda rng: [f"{n:09}" * 500 for n in range(14_000)],
    "categories": lambda rng: pd.Categorical([f"{n:0100}" for n in range(150_000)]),
}


@pytest.mark.parametrize("name", LARGE)
def test_writing_takes_little_beside_the_frame(name, tmp_path):
    """No items within cells, no row group of large cells are held at once, and no dictionary several times."""
    frame = pd.DataFrame({"a": pd.Series(LARGE[name](np.random.default_rng(0)))})
    usual, watched = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    dump(frame.iloc[:2], tmp_path / "warm")
    pa.set_memory_pool(watched)
    tracemalloc.start()
    try:
        dump(frame, tmp_path / "x")
        held = tracemalloc.get_traced_memory()[1] + watched.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert held < 48 << 20


def test_text_within_lists_has_long_offsets(tmp_path):
    """Arrow reads no text within others in chunks: with short offsets, what is more than 2 GiB could not be read."""
    dump(pd.DataFrame({"a": [["x"]], "b": [{"c": b"x"}]}), tmp_path / "x")
    schema = pq.read_schema(tmp_path / "x" / "files" / "value.parquet")
    assert schema.field("a").type.value_type == pa.large_string()
    assert schema.field("b").type.field("c").type == pa.large_binary()


@pytest.mark.slow
@pytest.mark.skipif(pa.__version__.startswith("14."), reason="pyarrow 14 decodes no dictionary to more than 2 GiB")
@pytest.mark.parametrize("wrap", [str, lambda text: [text]], ids=["text", "lists"])
def test_more_text_than_short_offsets_tell(wrap, tmp_path):
    """2.4 GiB in one row group: what is read is what was written. Takes 8 GiB of memory."""
    text = "x" * (1_200 << 20)
    dump(pd.DataFrame({"a": pd.Series([wrap("a"), wrap(text), wrap(text)], dtype=object)}), tmp_path / "x")
    assert load(tmp_path / "x")["a"].tolist() == [wrap("a"), wrap(text), wrap(text)]


def test_very_many_chunks(tmp_path):
    """As a table has them that was put together of single rows: they are not looked at one by one."""
    table = pa.concat_tables([pa.table({"a": [number], "b": [str(number)]}) for number in range(20_000)])
    dump(table, tmp_path / "x")
    assert load(tmp_path / "x").equals(table)


def test_row_groups(tmp_path, monkeypatch):
    """A frame of several row groups comes back whole, with a range index over all and dictionaries that agree."""
    monkeypatch.setattr(arrow, "GROUP_BYTES", (20_000, 20_000))
    monkeypatch.setattr(arrow, "SAMPLE", 500)
    monkeypatch.setattr(arrow, "_DICTIONARY_BYTES", 64)
    rows = 5_000
    names = [f"a name of some length {number}" for number in range(200)][::-1]
    frame = pd.DataFrame(
        {
            "n": np.arange(rows),
            "c": pd.Categorical.from_codes(np.arange(rows) % 100 - 1, names),
            "o": series([None if number % 7 else f"t{number}" for number in range(rows)]).array,
            "late": series([None] * (rows - 1) + [1]).array,
        },
        index=pd.RangeIndex(10, 10 + 2 * rows, 2),
    )
    dump(frame, tmp_path / "x")
    assert pq.ParquetFile(tmp_path / "x" / "files" / "value.parquet").num_row_groups > 3
    assert_same(frame, load(tmp_path / "x"))


@pytest.mark.parametrize("columns", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_wide_frame(tmp_path, columns):
    """A frame of very many columns is stored as Parquet like any other. 100,000 take a minute."""
    frame = pd.DataFrame(np.arange(2.0 * columns).reshape(2, columns))
    manifest = dump(frame, tmp_path / "x")
    assert manifest.serializer == "pandas.parquet"
    assert_same(frame, load(tmp_path / "x"))


def test_arrow_refuses_what_parquet_cannot_hold(tmp_path):
    """A table with a type that Parquet lacks is pickled, with the reason."""
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    manifest = dump(pa.table({"u": union}), tmp_path / "x")
    assert "column 'u' is of type sparse_union" in manifest.notes[0]
    assert load(tmp_path / "x", trusted=True).schema.names == ["u"]


DICTIONARIES = {
    "more than their indices can tell": (
        lambda: pa.chunked_array([coded(range(60), [f"{part}-{n}" for n in range(60)]) for part in range(3)]),
        "builtins.pickle",
    ),
    "text": (lambda: coded([2, 2, None], ["b", "a", "c"]), "pyarrow.parquet"),
    "numbers in order of appearance": (lambda: coded([0, 1, 0], [7, 3]), "builtins.pickle"),
    "numbers in another order": (lambda: coded([1, 0], [7, 3]), "builtins.pickle"),
    "ordered numbers": (lambda: coded([1, 0], [7, 3], ordered=True), "builtins.pickle"),
    "unused numbers": (lambda: coded([0], [7, 3]), "builtins.pickle"),
    "unused numbers without rows": (lambda: coded([], [7, 3]), "builtins.pickle"),
    "no numbers": (lambda: coded([], pa.array([], pa.int8())), "builtins.pickle"),
    "text in lists": (lambda: pa.ListArray.from_arrays([0, 2], coded([1, 0], ["b", "a"])), "builtins.pickle"),
    "numbers in structs": (lambda: pa.StructArray.from_arrays([coded([1, 0], [7, 3])], ["x"]), "builtins.pickle"),
}


def coded(codes, values, ordered=False):
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), values, ordered=ordered)


@pytest.mark.parametrize("case", DICTIONARIES)
def test_dictionaries_of_arrow(case, tmp_path):
    """A dictionary comes back with its order and its unused values; where Parquet would lose them, it is pickled."""
    make, serializer = DICTIONARIES[case]
    table = pa.table({"a": make()})
    manifest = dump(table, tmp_path / "x")
    assert manifest.serializer == serializer
    assert (
        serializer == "pyarrow.parquet"
        or "column 'a' is of type" in manifest.notes[0]
        or "combined" in manifest.notes[0]
    )
    assert load(tmp_path / "x", trusted=True).equals(table)


@pytest.mark.parametrize("rows", [2, 40_000])
def test_columns_of_one_name(rows, tmp_path):
    """As a join of Arrow's makes them: how columns are written is said by name, which here tells nothing."""
    table = pa.table([pa.array(range(rows)), pa.array(["a", "b"] * (rows // 2))], names=["x", "x"])
    assert dump(table, tmp_path / "x").serializer == "pyarrow.parquet"
    assert load(tmp_path / "x").equals(table)


def test_rows_without_columns(tmp_path):
    """A table or batch without columns keeps the number of its rows, and its metadata."""
    for number, value in enumerate((pa.table({"a": [1, 2, 3]}), pa.record_batch([[1, 2, 3]], ["a"]))):
        bare = value.replace_schema_metadata({"k": "v"}).select([])
        assert dump(bare, tmp_path / str(number)).serializer == "pyarrow.parquet"
        back = load(tmp_path / str(number))
        assert type(back) is type(bare)
        assert (back.num_rows, back.num_columns, back.schema.metadata) == (3, 0, {b"k": b"v"})


def test_embeddings_are_in_parquet(tmp_path):
    """Lists of a fixed size, in slices and chunks, with NaN and what is missing in them; but no missing list."""
    kind = pa.list_(pa.float32(), 3)
    array = pa.array([[0, 1, 2], [3, float("nan"), 5], [None, -0.0, 8], [9, 10, 11]], kind)
    table = pa.table({"vector": pa.chunked_array([array.slice(1, 2), array])})
    assert dump(table, tmp_path / "x").serializer == "pyarrow.parquet"
    back = load(tmp_path / "x")
    assert (back.schema, repr(back.to_pylist())) == (table.schema, repr(table.to_pylist()))
    assert dump(pa.table({"vector": pa.array([[1, 2, 3], None], kind)}), tmp_path / "y").serializer == "builtins.pickle"


def test_a_type_that_arrow_itself_does_not_convert(tmp_path):
    """A table of tensors, for which Arrow has no empty array, comes back equal all the same."""
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6).reshape(3, 2))
    table = pa.table({"a": tensors})
    dump(table, tmp_path / "x")
    assert load(tmp_path / "x", trusted=True).equals(table)


def test_polars_refuses_objects(tmp_path):
    """A polars frame of Python objects, which neither Parquet nor a pickle takes, is a clear error."""
    pl = pytest.importorskip("polars")
    from wandb_track_serializers import UnsupportedValueError

    with pytest.raises(
        UnsupportedValueError, match=r"'value' \(polars\..*DataFrame\) .* column 'o' holds Python objects"
    ):
        dump(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_not_representable_is_public():
    """Plug-ins raise the same error to have a value pickled."""
    assert issubclass(NotRepresentableError, Exception)
