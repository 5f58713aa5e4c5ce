"""Whatever hypothesis makes comes back the same in another process: pandas, NumPy, Arrow and containers of them."""

import datetime
import pickle

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
from hypothesis.extra import numpy as hnp  # noqa: E402 (needs NumPy)

pytestmark = pytest.mark.slow

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAIVE = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
ZONES = st.sampled_from([datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-3)), None])
CELLS = {
    "text": TEXT,
    "bytes": st.binary(max_size=3),
    "integers": st.integers(-(2**70), 2**70),
    "small": st.integers(-9, 9),
    "floats": st.floats(),
    "truth": st.booleans(),
    "dates": st.dates(),
    "times": st.times(timezones=ZONES),
    "moments": st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1), timezones=ZONES),
    "naive": NAIVE,
    "periods": st.timedeltas(datetime.timedelta(-900), datetime.timedelta(900)),
    "decimals": st.decimals(allow_nan=False, allow_infinity=False, places=2),
    "any decimals": st.decimals(),
    "lists": st.lists(st.integers(-5, 5) | st.none(), max_size=3),
    "lists of floats": st.lists(st.floats(width=32), max_size=3),
    "lists of text": st.lists(TEXT, max_size=3),
    "dicts": st.fixed_dictionaries({"x": st.integers(0, 5) | st.none(), "y": TEXT}),
    "arrays": hnp.arrays(st.sampled_from(["f4", "i8", "?", "U2", "M8[s]"]), st.integers(0, 3)),
}
FLAT = [kind for kind in sorted(CELLS) if not kind.startswith(("lists", "dicts"))]
MISSING = st.sampled_from([None, float("nan"), pd.NA, pd.NaT])
NUMBERS = [
    "int8",
    "uint16",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bool",
    "complex128",
    "datetime64[ns]",
    "datetime64[s]",
]
NUMBERS += ["timedelta64[ms]"]
EXTENSIONS = ["Int8", "UInt32", "Float64", "boolean", "string", "str", "category", "datetime64[us, Europe/Berlin]"]
EXTENSIONS += ["int64[pyarrow]", "double[pyarrow]", "string[pyarrow]", "period[M]"]


@st.composite
def nested(draw):
    """A strategy for lists and dictionaries of one shape, which hold cells of one kind or two."""
    inner = st.one_of(*(CELLS[kind] for kind in draw(st.lists(st.sampled_from(FLAT), min_size=1, max_size=2))))
    for is_list in draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        inner |= st.none()
        keys = draw(st.lists(TEXT, max_size=2, unique=True))
        inner = st.lists(inner, max_size=2) if is_list else st.fixed_dictionaries(dict.fromkeys(keys, inner))
    return inner


@st.composite
def objects(draw, size):
    """Cells of one kind or two, some of them missing in one way or several."""
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=2))
    kinds = kinds[: 1 if draw(st.integers(0, 9)) else 2]
    missing = draw(st.lists(MISSING, max_size=2))
    chosen = [CELLS[kind] for kind in kinds] if draw(st.integers(0, 3)) else [draw(nested())]
    cells = st.one_of(*chosen, *map(st.just, missing))
    values = np.empty(size, dtype=object)
    values[:] = [draw(cells) for _ in range(size)] if size else []
    return pd.Series(values, dtype=object)


@st.composite
def columns(draw, size):
    """A column of any dtype."""
    which = draw(st.integers(0, 2))
    if which == 0:
        return draw(objects(size))
    if which == 1:
        return pd.Series(draw(hnp.arrays(draw(st.sampled_from(NUMBERS)), size)))
    dtype = draw(st.sampled_from(EXTENSIONS))
    if dtype == "category":
        made = draw(objects(size))
        try:
            return made.astype("category")
        except (TypeError, ValueError, NotImplementedError, AttributeError):  # what cannot be hashed is no category
            return made
    elif dtype.startswith(("str", "string")):
        cells = TEXT
    elif dtype.startswith("datetime"):
        cells = st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2100, 1, 1))
    elif dtype.startswith("period"):
        cells = st.dates(datetime.date(1971, 1, 1), datetime.date(2100, 1, 1)).map(str)
    else:
        cells = st.integers(0, 1).map(bool) if dtype == "boolean" else st.integers(0, 100)
    values = [draw(cells | st.none()) for _ in range(size)]
    return pd.Series(pd.Series(values, dtype=object).array, dtype=dtype)


@st.composite
def frames(draw):
    size = draw(st.integers(0, 5))
    made = {draw(st.text("abc", max_size=2)): draw(columns(size)) for _ in range(draw(st.integers(0, 3)))}
    index = draw(
        st.sampled_from(["range", "i8", "f8", "text", "objects", "times", "levels"]) if size else st.just("range")
    )
    frame = pd.DataFrame(made, index=pd.RangeIndex(size))
    if index in ("i8", "f8"):
        frame.index = pd.Index(draw(hnp.arrays(index, size)), name=draw(st.sampled_from([None, "n", 3])))
    elif index == "text":
        frame.index = pd.Index(draw(st.lists(TEXT, min_size=size, max_size=size)))
    elif index == "objects":
        frame.index = pd.Index(draw(objects(size)).array, dtype=object)
    elif index == "times":
        freq = draw(st.sampled_from(["D", "2h", "MS", "B", "W-TUE", "bh", pd.DateOffset(days=3)]))
        frame.index = pd.date_range("2024-03-29", periods=size, freq=freq, tz=draw(st.sampled_from([None, "UTC"])))
    elif index == "levels":
        frame.index = pd.MultiIndex.from_arrays([draw(hnp.arrays("i4", size)), draw(objects(size)).map(repr)])
    return frame


@given(frame=frames())
@PROPERTY
def test_any_frame(stored, frame):
    manifest, found, _ = stored(frame)
    assert found == "", manifest


@given(values=st.integers(0, 5).flatmap(columns))
@PROPERTY
def test_any_series(stored, values):
    assert stored(values)[1] == ""


@given(cells=st.integers(1, 5).flatmap(objects))
@PROPERTY
def test_any_objects(stored, cells):
    """Most of all, columns of Python objects: what their classes prove, and what is read back."""
    manifest, found, _ = stored(cells.to_frame("a"))
    assert found == "", manifest


@given(array=hnp.arrays(hnp.nested_dtypes() | hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0)))
@PROPERTY
def test_any_array(stored, array):
    # NumPy itself makes times of the other byte order native when it pickles them, as which they reach the process.
    assume(pickle.loads(pickle.dumps(array, protocol=5)).dtype.str == array.dtype.str)
    assert stored(array)[1] == ""


ARROW = st.recursive(
    st.sampled_from(
        [
            pa.int8(),
            pa.uint64(),
            pa.float16(),
            pa.float64(),
            pa.bool_(),
            pa.string(),
            pa.large_binary(),
            pa.binary(2),
            pa.date32(),
            pa.date64(),
            pa.timestamp("s", "Europe/Berlin"),
            pa.timestamp("ns"),
            pa.time32("s"),
            pa.time64("ns"),
            pa.duration("ms"),
            pa.decimal128(9, 3),
            pa.null(),
            pa.dictionary(pa.int8(), pa.string()),
            pa.dictionary(pa.int32(), pa.int64(), ordered=True),
            pa.month_day_nano_interval(),
        ]
    ),
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(pa.large_list)
        | inner.map(lambda kind: pa.list_(kind, 2))
        | inner.map(lambda kind: pa.struct([("x", kind), pa.field("y", pa.int8(), nullable=True)]))
        | inner.map(lambda kind: pa.map_(pa.string(), kind))
    ),
    max_leaves=2,
)


def cells_of(kind):
    """Python's values for a type of Arrow, few and small."""
    if pa.types.is_dictionary(kind):
        return cells_of(kind.value_type)
    if pa.types.is_map(kind):
        return st.lists(st.tuples(TEXT, cells_of(kind.item_type)), max_size=2)
    if pa.types.is_fixed_size_list(kind):
        return st.lists(cells_of(kind.value_type), min_size=2, max_size=2)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return st.lists(cells_of(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: cells_of(field.type) for field in kind}) | st.none()
    simple = {
        "bool": st.booleans(),
        "string": TEXT,
        "large_binary": st.binary(max_size=3),
        "fixed_size_binary[2]": st.binary(min_size=2, max_size=2),
        "halffloat": st.floats(width=16).map(np.float16),
        "double": st.floats(),
        "date32[day]": st.dates(),
        "date64[ms]": st.dates(),
        "null": st.none(),
        "decimal128(9, 3)": st.decimals(-99, 99, places=3),
    }
    return simple.get(str(kind), st.integers(0, 100) if "interval" not in str(kind) else st.just((1, 2, 3))) | st.none()


@given(kinds=st.lists(ARROW, max_size=3), size=st.integers(0, 4), batch=st.booleans(), data=st.data())
@PROPERTY
def test_any_table(stored, kinds, size, batch, data):
    cells = [data.draw(st.lists(cells_of(kind), min_size=size, max_size=size)) for kind in kinds]
    try:
        arrays = [pa.array(column, kind) for column, kind in zip(cells, kinds, strict=True)]
    except (pa.ArrowException, TypeError):
        return  # no such array can be made
    fields = [pa.field(f"c{n}", kind, metadata={"k": "v"} if n else None) for n, kind in enumerate(kinds)]
    schema = pa.schema(fields, metadata={"of": "a table"} if size else None)
    made = pa.Table.from_arrays(arrays, schema=schema)
    if batch and kinds:
        made = pa.RecordBatch.from_arrays(arrays, schema=schema)
    manifest, found, _ = stored(made)
    assert found == "", manifest


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
LEAVES |= st.sampled_from(
    [np.float32(0.1), np.int64(3), np.str_("s"), np.datetime64("2024"), np.arange(3), pd.Series([1])]
)
LEAVES |= st.decimals(allow_nan=False)
KEYS = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.text(max_size=2)) | st.none() | st.floats()
CONTAINERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers() | st.text(max_size=2), max_size=3)
    ),
    max_leaves=6,
)


@given(value=CONTAINERS)
@example(value={"a": [np.arange(2), float("nan"), -0.0, 2**100], 1: {"x", 2}, (1, None): b"\0"})
@example(value={"../../x": np.arange(2), "..": np.arange(1), "": pd.Series([1]), "value.json": np.eye(1)})
@example(value={"a b": np.arange(1), "a-b": np.arange(2), "A B": np.arange(3)})
@PROPERTY
def test_any_container(stored, value):
    assert stored(value)[1] == ""
