"""Base types as JSON: equal where JSON can hold them, described where not, bounded always."""

import collections
import datetime
import decimal
import enum
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wandb_track_serializers import kind_of, to_summary

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=30,
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals()
    | st.complex_numbers()
    | st.builds(object),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.none() | st.booleans() | st.integers() | st.text() | st.floats() | st.binary(), inner)
    ),
    max_leaves=40,
)
HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner),
    max_leaves=10,
)


@given(JSON)
def test_json_stays_as_it_is(value):
    """What is JSON already is not changed."""
    assert to_summary(value, max_depth=100) == value


@given(ANYTHING | st.sets(HASHABLE), st.integers(20, 2_000))
def test_anything_becomes_bounded_json(value, limit):
    """Any value becomes strict JSON of about the size that is allowed, which the client's UTF-8 can hold."""
    result = to_summary(value, max_size=limit)
    text = json.dumps(result, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert json.loads(text) == result
    assert len(text) < 6 * limit + 1_000


@given(ANYTHING)
def test_no_key_is_lost(value):
    """Different keys stay different, as long as nothing is left out."""
    if isinstance(value, dict):
        assert len(to_summary(value, max_size=10**7)) == len(value)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 7


Point = collections.namedtuple("Point", "x y")

CASES = {
    "sets are sorted": ({3, 1, 2}, [1, 2, 3]),
    "sets of several types": ({"b", 2, "a", 1.5, (1, 2), None}, [1.5, 2, "a", "b", [1, 2], None]),
    "NaN in sets": ({float("nan"), 1, "a"}, [1, "NaN", "a"]),
    "frozen sets": (frozenset("ba"), ["a", "b"]),
    "tuples": ((1, (2,)), [1, [2]]),
    "named tuples": (Point(1, 2), [1, 2]),
    "NaN and infinities": ([float("nan"), float("inf"), -float("inf")], ["NaN", "Infinity", "-Infinity"]),
    "keys": ({1: "a", "1": "b", None: "c", (1, 2): "d"}, {"1": "a", "1 (2)": "b", "None": "c", "[1, 2]": "d"}),
    "large integers": ([2**63 - 1, 2**63, -(2**70)], [2**63 - 1, "9223372036854775808", "-1180591620717411303424"]),
    "enumerations": ([Colour.RED, Level.HIGH], ["Colour.RED", 7]),
    "times": (
        [datetime.datetime(2020, 1, 2, 3), datetime.date(2020, 1, 2), datetime.timedelta(hours=1)],
        ["2020-01-02T03:00:00", "2020-01-02", "1:00:00"],
    ),
    "numbers": ([decimal.Decimal("1.50"), 1j], ["1.50", "1j"]),
    "paths": (Path("a") / "b", "a/b"),
    "identifiers": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "bytes": (b"abc", "<bytes of 3 bytes>"),
    "functions": ([len, print], ["<builtin_function_or_method>", "<builtin_function_or_method>"]),
    "classes": (Colour, "<enum.EnumMeta Colour>" if sys.version_info < (3, 11) else "<enum.EnumType Colour>"),
    "objects": (object(), "<object>"),
    "counters": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "half a surrogate pair": ("a\udc80", "a\\udc80"),
}


@pytest.mark.parametrize("case", CASES)
def test_conversions(case):
    """Each kind of value becomes what the documentation says."""
    value, wanted = CASES[case]
    assert to_summary(value) == wanted


def test_a_value_that_claims_to_be_another():
    """A mock of a dictionary is no dictionary, and is described; a number that cannot convert itself is taken as is."""
    from unittest.mock import MagicMock

    mock = MagicMock(spec=dict)
    assert kind_of(mock) == "other"
    assert to_summary([mock]) == ["<unittest.mock.MagicMock>"]
    broken = type("Broken", (int,), {"__int__": lambda self: 1 / 0})(7)
    assert to_summary({"a": broken}) == {"a": 7}


def test_numpy():
    """NumPy scalars become Python's, small arrays lists, and large ones are described."""
    np = pytest.importorskip("numpy")
    for value in (np.float32(1.5), np.int8(-3), np.bool_(True), np.str_("x"), np.float64("nan")):
        assert kind_of(value) == "summary"
    value = [np.float32(1.5), np.int8(-3), np.bool_(True), np.longdouble(2), np.datetime64("2020-01-01"), np.str_("x")]
    assert to_summary(value) == [1.5, -3, True, 2.0, "2020-01-01", "x"]
    assert all(type(item) in (float, int, bool, str) for item in to_summary(value))
    assert to_summary({np.int64(3): np.arange(4).reshape(2, 2)}) == {"3": [[0, 1], [2, 3]]}
    assert to_summary(np.zeros((100, 100))) == "<numpy.ndarray of shape (100, 100)>"
    assert to_summary(np.array(5)) == 5


def test_frames_are_described():
    """A frame within a dictionary is described, not converted."""
    pd = pytest.importorskip("pandas")
    described = to_summary({"f": pd.DataFrame({"a": [1, 2]}), "s": pd.Series([1])})
    assert described["f"].endswith("DataFrame of shape (2, 1)>")
    assert described["s"].endswith("Series of shape (1,)>")


def test_depth_and_recursion():
    """What is nested too deeply or refers to itself is replaced by a sentence."""
    inner: list = [1]
    inner.append(inner)
    assert to_summary(inner) == [1, "<this list again: it refers to itself>"]
    twice = [1]
    assert to_summary([twice, twice]) == [[1], [1]]
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert "deeper than 3 levels" in json.dumps(to_summary(deep, max_depth=3))
    while deep:
        deep = deep.pop()


def test_size():
    """What is too large says how much was left out, and where the limit is."""
    items = to_summary(list(range(1_000_000)), max_size=1_000)
    assert items[:3] == [0, 1, 2]
    assert items[-1] == f"... {1_000_000 - len(items) + 1:,} more left out: over the limit of 1,000 bytes"
    unordered = to_summary(set(range(1_000_000)), max_size=1_000)
    assert unordered == items
    mapping = to_summary({f"k{number}": number for number in range(1_000)}, max_size=100)
    assert next(iter(mapping)) == "k0"
    assert "more left out" in mapping["..."]
    text = to_summary("x" * 1_000_000, max_size=100)
    assert text.startswith("x" * 90)
    assert text.endswith("... (1,000,000 characters)")
    assert to_summary(1 << 100_000) == "<an integer of 100,001 bits>"


@pytest.mark.parametrize("argument", ["max_size", "max_depth"])
def test_limits_are_positive(argument):
    """A limit of nothing is an error that names it."""
    with pytest.raises(ValueError, match=f"{argument} is 0: give a positive number"):
        to_summary(1, **{argument: 0})


def test_the_same_in_every_process():
    """The result depends on no hash seed and no address."""
    code = (
        "import json, wandb_track_serializers as w; print(json.dumps(w.to_summary([{'a','b','c',(1,'x')}, object()])))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "0123"
    }
    assert len(found) == 1
