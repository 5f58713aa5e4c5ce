"""Containers of frames, arrays, modules and estimators: one artifact, a file for each value, and the same again."""

import dataclasses
import json
import logging
from collections import OrderedDict, defaultdict
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from same import difference
from wandb_track_core import ArgumentError
from wandb_track_serializers import (
    Capture,
    IntegrityError,
    TooLargeError,
    UntrustedError,
    dump,
    kind_of,
    load,
)

np = pytest.importorskip("numpy")


class Split(NamedTuple):
    train: Any
    test: Any
    seed: int = 3


@dataclasses.dataclass
class Result:
    data: Any
    options: dict[str, Any]


@dataclasses.dataclass(slots=True)
class Slots:
    data: Any
    unset: Any = dataclasses.field(init=False)


@dataclasses.dataclass(slots=True)
class BesideSlots(Result):
    seed: int = 3


class WithMore(Slots):
    __slots__ = ("more",)


@dataclasses.dataclass(eq=False)
class OfList(list):
    data: Any = None


def test_a_dict_of_frames(tmp_path):
    """Five frames in a dict are five Parquet files under their keys, read without trust, and a dataset."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frames = {f"fold {number}": pd.DataFrame({"x": [number, 0.5]}) for number in range(5)}
    assert kind_of(frames) == "dataset"
    manifest = dump(frames, tmp_path / "x", "folds")
    assert [file.path for file in manifest.files] == [
        *(f"fold-{number}/fold-{number}.parquet" for number in range(5)),
        "folds.json",
    ]
    back = load(tmp_path / "x")
    assert difference(frames, back) == ""
    assert pd.read_parquet(tmp_path / "x" / "files" / "fold-3" / "fold-3.parquet").shape == (2, 1)


def test_types_of_artifacts():
    """All datasets make a dataset, any model a model, everything else an other; paths and members of base types count
    for nothing, and what holds none of these stays in the summary."""
    pd = pytest.importorskip("pandas")
    torch = pytest.importorskip("torch")
    frame, array, module = pd.DataFrame({"a": [1]}), np.arange(3), torch.nn.Linear(1, 1)
    kinds = {
        "dataset": [[frame], {"a": (1, [frame, None])}, Split(frame, frame), Result(frame, {})],
        "model": [[module], {"a": module, "b": frame, "c": array}],
        "other": [[array], {"a": array, "b": frame}, {"a": torch.ones(1)}, module.state_dict(), Result(array, {})],
        "summary": [{}, [1], (), {"a": {1, 2}}, Split(1, 2), [Fraction(1, 2)], {"a": Path("x")}, {"a": np.float64(1)}],
    }
    for kind, values in kinds.items():
        assert [kind_of(value) for value in values] == [kind] * len(values)
    looped: list[Any] = [1]
    looped.append(looped)
    assert kind_of(looped) == "summary"


def test_keys_that_make_one_name_of_a_folder(tmp_path):
    """Each has a folder of its own, also where another key is what would tell them apart."""
    arrays = {key: np.arange(2) + number for number, key in enumerate(("x-2", "x", "x²", "x!"))}
    dump(arrays, tmp_path / "x")
    assert difference(arrays, load(tmp_path / "x")) == ""


def test_what_is_stored_twice_in_a_container_is_one(tmp_path):
    """A value that stands in two places is one file, and one object again."""
    array = np.arange(4)
    manifest = dump([array, {"again": array}], tmp_path / "x")
    back = load(tmp_path / "x")
    assert back[0] is back[1]["again"]
    assert len(manifest.files) == 2


@pytest.mark.parametrize(
    "value",
    [
        Split(np.arange(2), [np.arange(3)]),
        Result(np.arange(2), {"lr": 0.1}),
        Slots(np.arange(2)),
        BesideSlots(np.arange(2), {"lr": 0.1}),
        {"split": Split(np.arange(2), None), "of": Result(np.arange(1), {})},
    ],
    ids=lambda value: type(value).__name__,
)
def test_classes_of_the_users_own(value, tmp_path, stored):
    """A NamedTuple and a dataclass come back as such, where they are trusted: their module would be imported."""
    pytest.importorskip("pandas")
    manifest = dump(value, tmp_path / "x")
    assert manifest.serializer == "builtins.json"
    with pytest.raises(UntrustedError, match="trusted=True"):
        load(tmp_path / "x")
    assert difference(value, load(tmp_path / "x", trusted=True)) == ""


@pytest.mark.parametrize("part", ["as a whole", "within a list"])
def test_what_a_class_holds_beside_its_fields_is_kept(part, tmp_path):
    """Slots that are no fields, the items of a list, attributes whose names are no text."""
    pytest.importorskip("pandas")
    slotted, listed, named = WithMore(np.arange(2)), OfList(np.arange(2)), Result(np.arange(2), {})
    slotted.more = "more"
    listed.append(np.arange(3))
    vars(named)[1, 2] = "by a tuple"
    for number, value in enumerate((slotted, listed, named)):
        dump(value if part == "as a whole" else [value], tmp_path / str(number))
        back = load(tmp_path / str(number), trusted=True)
        found = back if part == "as a whole" else back[0]
        assert type(found) is type(value)
        assert [*getattr(found, "__dict__", ())] == [*getattr(value, "__dict__", ())]
        assert getattr(found, "more", None) == getattr(value, "more", None)
        if value is listed:
            assert found[0].tolist() == [0, 1, 2]


def test_dicts_of_libraries(tmp_path):
    """scikit-learn's Bunch and an OrderedDict come back as they were without trust; a defaultdict is pickled."""
    datasets = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("pandas")
    bunch = datasets.load_iris()
    assert kind_of(bunch) == "other"
    for number, value in enumerate((bunch, datasets.load_iris(as_frame=True), OrderedDict(b=np.arange(2), a=1))):
        dump(value, tmp_path / str(number))
        assert difference(value, load(tmp_path / str(number))) == ""
    dump(defaultdict(list, a=np.arange(2)), tmp_path / "x")
    assert load(tmp_path / "x", trusted=True).default_factory is list


def test_what_no_json_holds_is_pickled(tmp_path, caplog):
    """What refers to itself, and a container of values without a format of their own, are one pickle."""
    looped: list[Any] = [np.arange(2)]
    looped.append(looped)
    for number, value in enumerate((looped, [Fraction(1, 3)], {"a": 10**5_000})):
        assert dump(value, tmp_path / str(number)).serializer == "builtins.pickle"
    back = load(tmp_path / "0", trusted=True)
    assert back[1] is back
    mixed = {"a": Fraction(1, 3), "b": np.arange(2)}
    assert [file.path for file in dump(mixed, tmp_path / "mixed").files] == ["a/a.pkl", "b/b.npy", "value.json"]
    with pytest.raises(UntrustedError, match="Fraction"):
        load(tmp_path / "mixed")
    assert difference(mixed, load(tmp_path / "mixed", trusted=True)) == ""


@pytest.mark.parametrize(
    "value",
    [{"a": (1, {2})}, [1.5, None], "text", 3, 2.5, True, None, float("nan"), -0.0, (b"x",), frozenset("ab"), 2**70],
)
def test_base_types_are_stored_too(value, tmp_path):
    """`dump` and `load` take what the integrations put into the summary, and give it back with its types."""
    assert kind_of(value) == "summary"
    manifest = dump(value, tmp_path / "x")
    assert [file.path for file in manifest.files] == ["value.json"]
    assert difference(value, load(tmp_path / "x")) == ""


def test_a_path_within_a_container_is_a_path(tmp_path):
    """It comes back as it was, whether there is such a file or not; only a path alone stands for its files."""
    value = {"of": Path("missing/file.csv"), "pure": PurePosixPath("/x"), "array": np.arange(2)}
    assert kind_of(value) == "other"
    dump(value, tmp_path / "x")
    assert difference(value, load(tmp_path / "x")) == ""


def test_each_file_is_hashed_once_when_it_is_read(tmp_path, monkeypatch):
    """Of a container, the JSON at once and each value when it is read; a value that was changed is refused."""
    from wandb_track_serializers import _files

    dump({"a": np.arange(2), "b": [np.arange(3)]}, tmp_path / "x")
    hashed, md5 = [], _files.md5
    monkeypatch.setattr(_files, "md5", lambda file: hashed.append(Path(file.name).name) or md5(file))
    assert load(tmp_path / "x")["b"][0].tolist() == [0, 1, 2]
    assert sorted(hashed) == ["a.npy", "b-0.npy", "value.json"]
    path = tmp_path / "x" / "files" / "b-0" / "b-0.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match=r"'b-0\.npy' has changed since it was written"):
        load(tmp_path / "x")
    path.unlink()
    with pytest.raises(IntegrityError, match=r"'b-0\.npy' is missing"):
        load(tmp_path / "x")


def test_max_size_counts_all_values(tmp_path):
    """Both on writing and on reading, the limit is that of the whole."""
    arrays = {"a": np.zeros(1_000), "b": np.ones(1_000)}
    with pytest.raises(TooLargeError):
        dump(arrays, tmp_path / "x", max_size=10_000)
    assert list(tmp_path.iterdir()) == []
    dump(arrays, tmp_path / "x", max_size=20_000)
    with pytest.raises(TooLargeError):
        load(tmp_path / "x", max_size=10_000)
    assert load(tmp_path / "x", max_size=100_000)["b"].sum() == 1_000


def forged(root: Path, data: Any) -> None:
    """Put other JSON in, with its hash, as an enemy would."""
    from wandb_track_serializers import _files

    (root / "files" / "value.json").write_text(json.dumps(data))
    manifest = json.loads((root / "wandb_track.json").read_text())
    files = _files.hashed(root / "files", _files.sizes(root / "files"))
    manifest["files"] = [file._asdict() for file in files]
    (root / "wandb_track.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "data",
    [
        {"object": ["os:system", ["touch proof"], []]},
        {"object": ["builtins:eval", [], []]},
        {"object": ["collections:OrderedDict", 3, 4]},
        {"value": {"name": "../../secret"}},
        {"value": {"name": "a", "serializer": "builtins.pickle"}},
        {"value": 3},
        {"what": 1},
        {"numpy": ["O", "AAAA"]},
        {"numpy": ["<i8", "AA=="]},
        {"dict": [[[1], 2]]},
        {"set": [[]]},
        {"tuple": 3},
        {},
        {"a": 1, "b": 2},
    ],
    ids=json.dumps,
)
def test_a_forged_container(data, tmp_path, monkeypatch):
    """What this package never writes is refused; no class is looked up, and no file outside is read, without trust."""
    monkeypatch.chdir(tmp_path)
    dump({"a": np.arange(2)}, tmp_path / "x")
    (tmp_path / "secret").mkdir()
    forged(tmp_path / "x", data)
    with pytest.raises((IntegrityError, UntrustedError)):
        load(tmp_path / "x")
    with pytest.raises(IntegrityError):
        load(tmp_path / "x", trusted=True)
    assert not (tmp_path / "proof").exists()


def test_what_a_capture_decides():
    """Names by their patterns, values by their kinds; one line says why something is not logged."""
    capture = Capture(models=True, exclude=["raw_*"])
    array = np.arange(3)
    assert capture.decide("score", 1.5) == ("summary", "", True)
    assert capture.decide("raw_score", 1.5).kind is None
    assert "exclude=" in capture.decide("raw_score", 1.5).reason
    kind, reason, is_expected = capture.decide("array", array)
    assert (kind, is_expected) == (None, True)
    assert "others" in reason
    kind, reason, is_expected = capture.decide("arrays", {"a": array})
    assert (kind, is_expected) == (None, False)
    assert reason.startswith("'arrays' is not logged: it holds frames, arrays or models, and others is False")
    assert Capture(others="true", include="a*, b").decide("arrays", {"a": array}).kind == "other"
    assert Capture(include="a*, b").decide("c", 1).kind is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"datasets": "yes"}, "datasets must be True or False, not 'yes'."),
        ({"models": 1}, "models must be True or False, not 1."),
        ({"include": 3}, 'include must be a list of str, such as include=["raw_*"], not 3.'),
        ({"exclude": [1]}, 'exclude must be a list of str, such as exclude=["raw_*"], not a list.'),
        ({"max_size": 0}, "max_size must be a number of bytes above 0, or None for no limit, not 0."),
        ({"max_size": True}, "max_size must be a number of bytes above 0, or None for no limit, not True."),
        ({"storage": "refrence"}, "storage must be 'copy' or 'reference', not 'refrence'."),
    ],
)
def test_arguments_of_a_capture(given, message):
    with pytest.raises(ArgumentError) as caught:
        Capture(**given)
    assert str(caught.value) == message


def test_without_arrow_one_line_says_what_to_install(tmp_path, monkeypatch, caplog):
    """Each frame becomes a pickle, and its note says so; the log says it once, with the remedy."""
    pd = pytest.importorskip("pandas")
    from wandb_track_serializers import _values

    monkeypatch.setattr(_values, "_said", set())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            manifest = dump(pd.DataFrame({0: [number]}), tmp_path / str(number))
            assert "pip install 'wandb-track-serializers[pandas]'" in manifest.notes[0]
    assert len(caplog.records) == 1
    assert "pip install 'wandb-track-serializers[pandas]'" in caplog.text
