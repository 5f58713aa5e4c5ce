"""Writing: what each unusual value becomes, what errors say, and that nothing is left behind."""

import pickle
import re
import socket
import sys
import threading
from pathlib import Path

import pytest
import wandb_track_serializers as wts
from wandb_track_serializers import (
    Manifest,
    TooLargeError,
    UnsupportedValueError,
    dump,
    load,
    serializer_for,
)


@pytest.mark.parametrize(
    "error",
    [
        UnsupportedValueError("model", "app.Model", "it holds a lock", "model.hooks[3]"),
        TooLargeError("model", 7, 5, "Raise max_size."),
        wts.UntrustedError("it is a pickle", "builtins.pickle", "app.Model"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_sent_to_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


class Holder:
    """Pickles; what it holds may not."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


def local_class():
    class Local:
        pass

    return Local


def generator():
    yield 1


UNPICKLABLE = {
    "a lambda": (lambda: lambda: 1, None),
    "a local class": (lambda: local_class()(), None),
    "a generator": (generator, None),
    "a lock": (threading.Lock, None),
    "a socket": (lambda: socket.socket(), None),
    "an open file": (lambda: Path(__file__).open(), None),  # noqa: SIM115
    "an attribute": (lambda: Holder(hooks=[1, 2, 3, lambda: 1]), "model.hooks[3]"),
    "a key": (lambda: Holder(parts={"a": {"b": (0, threading.Lock())}}), "model.parts['a']['b'][1]"),
    "a slot": (lambda: Slots(Holder(f=Path(__file__).open())), "model.inner.f"),  # noqa: SIM115
    "a set": (lambda: Holder(names=frozenset([generator])), "model.names{...}"),
    "a dict subclass": (lambda: Holder(d=__import__("collections").OrderedDict(x=lambda: 1)), "model.d['x']"),
}


@pytest.mark.parametrize("case", UNPICKLABLE)
def test_what_does_not_pickle_is_named(case, tmp_path):
    """A value that does not pickle raises an error that names it, its class and the part, and leaves no file."""
    make, part = UNPICKLABLE[case]
    value = make()
    if case == "a set":
        value.names = frozenset([threading.Lock()])
    with pytest.raises(UnsupportedValueError) as caught:
        dump(value, tmp_path / "x", "model")
    assert caught.value.part == part
    assert "'model'" in str(caught.value)
    assert caught.value.class_name in str(caught.value)
    assert part is None or f"at {part}:" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_huge_value_is_not_searched_for_ever(tmp_path):
    """The search for the faulty part gives up on a value of very many parts, and the error still says why."""
    value = Holder(many=[(number,) for number in range(400_000)], last=lambda: 1)
    with pytest.raises(UnsupportedValueError, match="pickle") as caught:
        dump(value, tmp_path / "x")
    assert caught.value.part is None


def test_recursion(tmp_path):
    """What refers to itself is stored; what is nested too deeply for pickle is a clear error."""
    value = Holder()
    value.me = value
    dump(value, tmp_path / "a")
    back = load(tmp_path / "a", trusted=True)
    assert back.me is back
    deep = Holder()
    for _ in range(100_000):
        deep = Holder(inner=deep)
    with pytest.raises(UnsupportedValueError, match="nested too deeply"):
        dump(deep, tmp_path / "b")
    while hasattr(deep, "inner"):  # taken apart one by one: freeing it at once recurses as deeply
        deep = deep.__dict__.pop("inner")


def test_functions_and_classes_of_modules_are_pickled_by_name(tmp_path):
    """A function or class that a module defines is stored as its name."""
    dump(pickle.dumps, tmp_path / "f")
    dump(Holder, tmp_path / "c")
    assert load(tmp_path / "f", trusted=True) is pickle.dumps
    assert load(tmp_path / "c", trusted=True) is Holder


def test_a_value_is_left_as_it_is(tmp_path):
    """Writing changes nothing in the value."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": pd.Series([1, "x"], dtype=object), "c": pd.cut([1, 2], 2)}, index=[5, 6])
    before = pickle.dumps(frame)
    dump(frame, tmp_path / "a")
    dump(frame[["c"]], tmp_path / "b")
    assert pickle.dumps(frame) == before


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a b", "é", "x" * 129, None, "a\n"])
def test_names(name, tmp_path):
    """A name that cannot be an artifact's is an error that says what can, before anything is written."""
    with pytest.raises(ValueError, match=r"name is .* use 1 to 128 of"):
        dump(object(), tmp_path / "x", name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_holds_one_value(tmp_path):
    """A folder that is not empty is refused, and what is in it stays."""
    dump(object, tmp_path, "a")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match="give each value a new folder"):
        dump(object, tmp_path, "b")
    assert sorted(tmp_path.rglob("*")) == before
    assert load(tmp_path, trusted=True) is object


def test_an_existing_empty_folder_is_used_and_stays(tmp_path):
    """An empty folder is taken as it is; after a failure it is empty again."""
    for folder in (tmp_path, tmp_path / "new" / "and" / "deep"):
        with pytest.raises(UnsupportedValueError):
            dump(lambda: 1, folder)
        assert list(tmp_path.iterdir()) == []
    dump(object, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "wandb_track.json"]


def test_formats(tmp_path):
    """`format` chooses among the formats of a value's class; one that is not for it is an error that lists them."""
    with pytest.raises(ValueError, match=r"format 'skops' is not for values of type object; there is 'pickle'"):
        dump(object(), tmp_path / "x", format="skops")
    assert serializer_for(Path("x")).format == "files"
    assert serializer_for(Path("x"), "pickle").format == "pickle"
    manifest = dump(Path("some where"), tmp_path / "p", format="pickle")
    assert (manifest.kind, manifest.serializer) == ("dataset", "builtins.pickle")
    assert load(tmp_path / "p", trusted=True) == Path("some where")


def test_max_size(tmp_path):
    """What is larger than `max_size` is refused, for a pickle while it is written, and leaves nothing behind."""
    with pytest.raises(TooLargeError, match=r"'big' takes .* over the limit of 1,000: raise max_size=") as caught:
        dump(Holder(data=b"x" * 5_000_000), tmp_path / "x", "big", max_size=1_000)
    assert caught.value.limit == 1_000
    assert list(tmp_path.iterdir()) == []
    dump(Holder(data=b"x" * 500), tmp_path / "x", "small", max_size=1_000)


def test_an_array_over_max_size_is_refused_before_any_of_it_is_written(tmp_path):
    np = pytest.importorskip("numpy")
    with pytest.raises(TooLargeError) as caught:
        dump(np.zeros(1_000), tmp_path / "x", max_size=1_000)
    assert caught.value.size == 8_000


def test_manifest(tmp_path):
    """The manifest says what was written, by what and from what, with the hashes, and is the one beside the files."""
    manifest = dump(Holder(a=1), tmp_path / "x", "thing")
    assert manifest == Manifest.from_text((tmp_path / "x" / "wandb_track.json").read_text())
    assert (manifest.serializer, manifest.format_version, manifest.kind, manifest.name) == (
        "builtins.pickle",
        2,
        "other",
        "thing",
    )
    assert manifest.class_name == f"{Holder.__module__}.Holder"
    assert manifest.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(r"wandb-track-serializers \d+\.\d+\.\d+", manifest.written_by)
    (entry,) = manifest.files
    data = (tmp_path / "x" / "files" / "thing.pkl").read_bytes()
    assert (entry.path, entry.size) == ("thing.pkl", len(data))
    assert entry.md5 == __import__("hashlib").md5(data).hexdigest()


def test_a_write_error_leaves_nothing(registry, tmp_path, monkeypatch):
    """When the disk is full, the error goes on unchanged and nothing is left."""

    class Full(wts.Serializer):
        id = "tests.full"
        types = (f"{__name__}:Holder",)
        format = "full"

        def write(self, value, target):
            target.path(".part").write_bytes(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Holder.__module__])
    wts.register(Full)
    with pytest.raises(OSError, match="No space left"):
        dump(Holder(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_with_the_manifest_leaves_nothing(tmp_path, monkeypatch):
    """When the manifest cannot be written, the files go as well."""
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        dump(object, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_load_wants_a_folder(tmp_path):
    """A folder that is not there, and a value that was never finished, are clear errors."""
    with pytest.raises(FileNotFoundError, match="is no folder that is there"):
        load(tmp_path / "none")
    (tmp_path / "half" / "files").mkdir(parents=True)
    (tmp_path / "half" / "wandb_track.json.partial").write_text("{")
    with pytest.raises(wts.IntegrityError, match="never written to its end"):
        load(tmp_path / "half")
    dump(object, tmp_path / "cut")
    (tmp_path / "cut" / "wandb_track.json").unlink()
    with pytest.raises(wts.IntegrityError, match="never written to its end"):
        load(tmp_path / "cut", trusted=True)


def test_a_manifest_can_be_given(tmp_path):
    """With the manifest from elsewhere, `load` reads bare files as well as a folder that `dump` wrote."""
    manifest = dump(Path(__file__), tmp_path / "x")
    assert load(tmp_path / "x", manifest).read_text() == Path(__file__).read_text()
    assert load(tmp_path / "x" / "files", manifest).read_text() == Path(__file__).read_text()
    assert load(tmp_path / "x" / "files", Manifest.from_json(manifest.to_json())).name == Path(__file__).name


def test_errors_on_reading_name_the_versions(tmp_path, monkeypatch):
    """A pickle whose class is gone is an error that names the class and the versions then and now."""
    dump(Holder(), tmp_path / "x")
    monkeypatch.delattr(sys.modules[Holder.__module__], "Holder")
    with pytest.raises(wts.LoadError, match=r"Holder.*It was written with python 3\..*; here there is python 3\."):
        load(tmp_path / "x", trusted=True)


def test_untrusted_pickles_say_what_to_do(tmp_path):
    """A pickle is not read unless trusted, and the error says what it is, who wrote it and how to trust it."""
    dump(Holder(), tmp_path / "x", "thing")
    with pytest.raises(wts.UntrustedError, match=r"'thing'.*pickle of .*Holder, written by wandb-track.*trusted=True"):
        load(tmp_path / "x")
