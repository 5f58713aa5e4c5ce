"""Files and manifests made by an enemy: each is refused, and says so."""

import io
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wandb_track_serializers import (
    FileEntry,
    IntegrityError,
    LoadError,
    Manifest,
    SerializerError,
    TooLargeError,
    UntrustedError,
    _files,
    dump,
    load,
)

PICKLE = {"serializer": "builtins.pickle"}


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def edit(root: Path, **changes) -> None:
    """Change a manifest as an enemy would."""
    path = root / "wandb_track.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def hashed(root: Path) -> None:
    """Give a manifest the hashes of the files as they are now."""
    files = _files.hashed(root / "files", _files.sizes(root / "files"))
    edit(root, files=[{"path": file.path, "md5": file.md5, "size": file.size} for file in files])


@pytest.fixture
def stored(tmp_path):
    root = tmp_path / "stored"
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    (source / "b.txt").write_text("b")
    dump(source, root, "data")
    return root


def test_a_malicious_pickle(tmp_path):
    """A pickle that runs a command is not read, whatever its manifest says, unless it is trusted."""
    proof = tmp_path / "proof"
    dump(Evil(f"touch {proof}"), tmp_path / "x")
    for serializer in ("builtins.pickle", "sklearn.pickle", "torch.module"):
        edit(tmp_path / "x", serializer=serializer, format_version=1)
        with pytest.raises(UntrustedError):
            load(tmp_path / "x")
    for name in ("a.npy", "a.parquet", "a.safetensors", "a.skops", "a.txt"):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "x" / "files", folder)
        (folder / "value.pkl").rename(folder / name)
        if name == "a.txt":
            assert load(folder) == folder / name
            continue
        with pytest.raises(LoadError):
            load(folder)
    assert not proof.exists()
    edit(tmp_path / "x", serializer="builtins.pickle")
    assert load(tmp_path / "x", trusted=True) == 0
    assert proof.exists()


@pytest.mark.parametrize("serializer", ["numpy.npy", "pandas.parquet", "polars.parquet", "pyarrow.parquet"])
def test_a_pickle_that_claims_to_be_data(serializer, tmp_path):
    """A pickle whose manifest names a safe format is read in that format, and fails as that."""
    pytest.importorskip(serializer.partition(".")[0])
    pytest.importorskip("numpy")
    proof = tmp_path / "proof"
    dump(Evil(f"touch {proof}"), tmp_path / "x")
    edit(tmp_path / "x", serializer=serializer)
    with pytest.raises(LoadError):
        load(tmp_path / "x")
    assert not proof.exists()


def test_an_array_of_pickles(tmp_path):
    """An .npy file of objects, which are pickles, is not read even if it is trusted."""
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.array([Evil("false")], dtype=object), allow_pickle=True)
    for trusted in (False, True):
        with pytest.raises(LoadError):
            load(tmp_path, trusted=trusted)


@pytest.mark.parametrize(
    "path", ["../outside.txt", "/etc/passwd", "a/../../outside.txt", "./a.txt", "a//b", "a\\b", "C:/a", "", "a\0", "a/"]
)
def test_paths_that_escape(path, stored):
    """A path that leaves the folder, in the list of files or of empty folders, is refused before anything is read."""
    (stored.parent / "outside.txt").write_text("secret")
    with pytest.raises(IntegrityError):
        edit(stored, files=[{"path": path, "md5": "0" * 32, "size": 6}])
        load(stored)
    hashed(stored)
    edit(stored, details={"kind": "folder", "empty": [path]})
    before = sorted(stored.parent.rglob("*"))
    with pytest.raises(IntegrityError, match="no path within"):
        load(stored)
    assert sorted(stored.parent.rglob("*")) == before


@pytest.mark.parametrize("place", ["a.txt", "b.txt", "new", "folder"])
def test_symbolic_links(place, stored, tmp_path):
    """A link anywhere among the files is refused, and what it points to is not read."""
    path = stored / "files" / place
    path.unlink(missing_ok=True)
    path.symlink_to("/etc" if place == "folder" else "/etc/passwd")
    with pytest.raises(IntegrityError, match="link or a device"):
        load(stored)


def test_a_linked_folder_around_a_file(tmp_path):
    """A folder that was replaced by a link to another is refused, though the files in it have the right hashes."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.txt").write_text("a")
    dump(source, tmp_path / "x")
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "x" / "files" / "deep").rename(elsewhere)
    (tmp_path / "x" / "files" / "deep").symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match="link or a device"):
        load(tmp_path / "x")


def test_a_linked_manifest(stored, tmp_path):
    """A manifest that is a link is not followed."""
    (stored / "wandb_track.json").rename(tmp_path / "real.json")
    (stored / "wandb_track.json").symlink_to(tmp_path / "real.json")
    with pytest.raises(IntegrityError, match="cannot be read"):
        load(stored)


def test_a_pipe_is_not_waited_for(stored):
    """A pipe in the place of a file is refused at once."""
    (stored / "files" / "a.txt").unlink()
    os.mkfifo(stored / "files" / "a.txt")
    with pytest.raises(IntegrityError, match="link or a device"):
        load(stored)


def test_a_wrong_hash(stored):
    """A file that was changed, also if its size stayed the same, is refused by name."""
    (stored / "files" / "a.txt").write_text("b")
    with pytest.raises(IntegrityError, match=r"'a.txt' has changed since it was written"):
        load(stored)


def test_a_missing_and_an_extra_file(stored):
    """A missing file is named; so is a file in a folder that the manifest does not know."""
    (stored / "files" / "c.txt").write_text("c")
    with pytest.raises(IntegrityError, match=r"'c.txt' below .* is not in the manifest"):
        load(stored)
    (stored / "files" / "c.txt").unlink()
    (stored / "files" / "b.txt").unlink()
    with pytest.raises(IntegrityError, match=r"'b.txt' is missing"):
        load(stored)


LIES = {
    "no object": "[]",
    "no JSON": "{",
    "nested beyond reason": "[" * 100_000,
    "a later layout": {"manifest": 99},
    "a layout of text": {"manifest": "1"},
    "a layout of truth": {"manifest": True},
    "no serializer": {"serializer": None},
    "an unknown serializer": {"serializer": "nobody.knows"},
    "a module for a serializer": {"serializer": "os.system"},
    "a later format": {"format_version": 2},
    "another kind": {"kind": "code"},
    "a file twice": {"files": [{"path": "a", "md5": "0" * 32, "size": 1}] * 2},
    "a negative size": {"files": [{"path": "a.txt", "md5": "0" * 32, "size": -1}]},
    "a hash that is none": {"files": [{"path": "a.txt", "md5": "../x", "size": 1}]},
    "files that are none": {"files": ["a.txt"]},
    "no files": {"files": None},
    "the wrong number of files": {"serializer": "numpy.npy"},
    "details that are none": {"details": [1]},
    "empty folders that are none": {"details": {"kind": "folder", "empty": "abc"}},
    "versions that are none": {"versions": {"python": 3}},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_manifest(lie, stored):
    """A manifest that is malformed, or does not fit its files, is a clear error."""
    if isinstance(LIES[lie], str):
        (stored / "wandb_track.json").write_text(LIES[lie])
    else:
        edit(stored, **LIES[lie])
    with pytest.raises(LoadError) as caught:
        load(stored)
    assert len(str(caught.value)) < 600


FIELDS = st.sampled_from(
    ["manifest", "serializer", "format_version", "kind", "name", "class", "files", "versions", "details", "notes"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(FIELDS, VALUES, min_size=1), st.sampled_from(["pathlib.files", "numpy.npy", "pandas.parquet"]))
@settings(deadline=None, max_examples=200)
def test_any_manifest_is_read_or_refused(changes, serializer):
    """Whatever stands in a manifest, reading it gives the value or one of this package's errors."""
    data = {
        "manifest": 1,
        "serializer": serializer,
        "format_version": 1,
        "kind": "dataset",
        "name": "x",
        "class": "c",
        "written_by": "w",
        "versions": {},
        "files": [{"path": "a.txt", "md5": "0cc175b9c0f1b6a831c399e269772661", "size": 1}],
    }
    with tempfile.TemporaryDirectory() as root:
        Path(root, "a.txt").write_text("a")
        try:
            load(root, Manifest.from_json({**data, **changes}))
        except SerializerError:
            pass
        else:
            assert changes.get("serializer", serializer) == "pathlib.files"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("cut", [0, 3, 100, -100, -1])
def test_a_truncated_parquet(library, cut, tmp_path):
    """A Parquet file that was cut off is refused, with and without the right hash."""
    module = pytest.importorskip(library)
    pytest.importorskip("pyarrow")
    make = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}[library]
    dump(getattr(module, make)({"a": list(range(1_000)), "b": ["x"] * 1_000}), tmp_path / "x")
    path = tmp_path / "x" / "files" / "value.parquet"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IntegrityError, match="has changed since"):
        load(tmp_path / "x")
    hashed(tmp_path / "x")
    with pytest.raises(IntegrityError, match="no whole Parquet file"):
        load(tmp_path / "x")


def test_a_damaged_parquet(tmp_path):
    """A Parquet file with any one byte changed gives the value or a clear error, never a crash."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    dump(pd.DataFrame({"a": range(10), "b": pd.Categorical(list("aabbccddee")), "c": pd.cut(range(10), 2)}), tmp_path)
    path = tmp_path / "files" / "value.parquet"
    good = path.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 150)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        hashed(tmp_path)
        try:
            load(tmp_path)
        except LoadError:
            continue
        except TooLargeError:
            continue


def test_a_bomb_of_numbers(tmp_path):
    """A small Parquet file that takes more memory than allowed is refused before it is unpacked."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    dump(pd.DataFrame({"a": [0.0] * 1_000_000}), tmp_path / "x", "bomb")
    assert (tmp_path / "x" / "files" / "bomb.parquet").stat().st_size < 50_000
    with pytest.raises(TooLargeError, match=r"'bomb' takes 8,0\d+,\d+ bytes or more, over the limit of 1,000,000"):
        load(tmp_path / "x", max_size=1_000_000)
    assert len(load(tmp_path / "x", max_size=10_000_000)) == 1_000_000


def test_a_bomb_for_polars(tmp_path):
    """The same for a frame of polars."""
    pl = pytest.importorskip("polars")
    dump(pl.DataFrame({"a": pl.zeros(1_000_000, eager=True)}), tmp_path / "x")
    with pytest.raises(TooLargeError, match="over the limit"):
        load(tmp_path / "x", max_size=1_000_000)


def test_a_bomb_of_text(tmp_path):
    """Text that a Parquet file holds once and repeats a million times is counted before it is repeated."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 100_000]))
    (tmp_path / "x").mkdir()
    pq.write_table(pa.table({"a": text}), tmp_path / "x" / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "x" / "a.parquet").stat().st_size < 10_000
    files = _files.hashed(tmp_path / "x", ["a.parquet"])
    manifest = Manifest("pyarrow.parquet", 1, "dataset", "bomb", "c", tuple(files))
    with pytest.raises(TooLargeError, match="'bomb' takes 100,0"):
        load(tmp_path / "x", manifest, max_size=10**9)


RECIPES = {
    "a dtype": lambda: {"dtypes": {"0": "U50000000"}},
    "the dtype of categories": lambda: categories(["x"] * 10, dtype="U50000000"),
    "categories of nothing": lambda: categories([None] * 10_000_000, dtype="object"),
}


def categories(values, dtype, compression=None):
    import base64

    import pyarrow as pa

    table = pa.table({"": values})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table)
    text = base64.b64encode(sink.getvalue()).decode()
    return {"categories": {"0": {"values": text, "dtype": dtype, "ordered": False, "as_text": True}}}


def with_recipe(folder: Path, recipe) -> None:
    """Write a Parquet file that is put right, when it is read, as the recipe says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"a": ["x"] * 10}).replace_schema_metadata({"wandb_track": json.dumps(recipe)})
    pq.write_table(table, folder / "a.parquet")


@pytest.mark.parametrize("case", RECIPES)
def test_a_bomb_in_the_recipe_of_a_frame(case, tmp_path):
    """What a Parquet file's metadata says to cast its columns to is measured before memory is taken for it."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    with_recipe(tmp_path, RECIPES[case]())
    with pytest.raises(TooLargeError):
        load(tmp_path, max_size=10_000_000)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_categories(compression, tmp_path):
    """Categories that a file holds compressed, which this package never writes, are refused before unpacking."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    with_recipe(tmp_path, categories([0] * 1_000_000, "int64", compression))
    with pytest.raises(IntegrityError, match="are compressed"):
        load(tmp_path)


@pytest.mark.parametrize("shape", ["struct", "list", "map"])
def test_a_bomb_of_text_within_other_types(shape, tmp_path):
    """Text that is repeated within structs, lists and maps is counted as well; below the limit it is read."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), pa.array(["x" * 10_000]))
    ends = list(range(0, 1_001, 10))
    made = {
        "struct": lambda: pa.StructArray.from_arrays([text], ["x"]),
        "list": lambda: pa.ListArray.from_arrays(ends, text),
        "map": lambda: pa.MapArray.from_arrays(ends, pa.array(range(1_000)), text),
    }[shape]()
    pq.write_table(pa.table({"a": made}), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    manifest = Manifest("pyarrow.parquet", 1, "dataset", "bomb", "c", tuple(_files.hashed(tmp_path, ["a.parquet"])))
    with pytest.raises(TooLargeError, match="'bomb' takes 10,0"):
        load(tmp_path, manifest, max_size=1_000_000)
    back = load(tmp_path, manifest, max_size=15_000_000)
    assert back.to_pylist() == pq.read_table(tmp_path / "a.parquet").to_pylist()


def test_a_bomb_within_the_machines_memory_is_the_default_limit(tmp_path):
    """Without `max_size`, what the machine itself could not hold is refused."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({str(number): pa.array([0] * 100_000) for number in range(10)})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        for _ in range(20):
            writer.write_table(table)
    from wandb_track_serializers import _values

    patch = pytest.MonkeyPatch()
    patch.setattr(_values, "_memory", lambda: 100_000_000)
    with patch.context(), pytest.raises(TooLargeError):
        load(tmp_path)
    patch.undo()
    assert 10**8 < _values._memory() < 1 << 62


def test_an_array_that_claims_more_than_it_holds(tmp_path):
    """An .npy file whose header does not fit its bytes is refused before memory is taken for it."""
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.zeros(10))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"(10,), }     ", b"(10000000000,)}"[:13].ljust(13)))
    with pytest.raises(LoadError):
        load(tmp_path)
    (tmp_path / "a.npy").write_bytes(data.replace(b"(10,)", b"(99,)"))
    with pytest.raises(IntegrityError, match="describes 792 bytes of float64, but 80 follow"):
        load(tmp_path)
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(TooLargeError):
        load(tmp_path, max_size=79)


def test_a_zip_bomb_as_skops(tmp_path):
    """A skops file that unpacks to more than allowed is refused before it is unpacked."""
    pytest.importorskip("skops")
    with zipfile.ZipFile(tmp_path / "a.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"0" * 50_000_000)
    with pytest.raises(TooLargeError):
        load(tmp_path, max_size=1_000_000)


def test_skops_with_a_type_that_it_does_not_know(tmp_path):
    """A skops file that builds a type of its own is refused with the type's name, unless it is trusted."""
    pytest.importorskip("skops")
    sklearn = pytest.importorskip("sklearn.preprocessing")
    estimator = sklearn.FunctionTransformer(shutil.rmtree)
    dump(estimator, tmp_path / "x", format="skops")
    with pytest.raises(UntrustedError, match=r"shutil\.rmtree.*trusted=True"):
        load(tmp_path / "x")
    assert load(tmp_path / "x", trusted=True).func is shutil.rmtree


def test_a_file_is_read_from_what_was_verified(tmp_path, monkeypatch):
    """A file that is replaced between its verification and its reading makes no difference."""
    dump(object, tmp_path / "x", "safe")
    proof = tmp_path / "proof"
    dump(Evil(f"touch {proof}"), tmp_path / "evil", "safe")
    original = _files.verify

    def verify_then_replace(directory, files, nothing_else):
        handle = original(directory, files, nothing_else)
        os.replace(tmp_path / "evil" / "files" / "safe.pkl", directory / "safe.pkl")
        return handle

    monkeypatch.setattr(_files, "verify", verify_then_replace)
    assert load(tmp_path / "x", trusted=True) is object
    assert not proof.exists()


def test_the_manifest_class_is_checked_too():
    """A manifest that a program builds itself is checked where it is used: no path of it is followed outside."""
    manifest = Manifest("pathlib.files", 1, "dataset", "x", "c", (FileEntry("../../etc/passwd", "0" * 32, 1),))
    with tempfile.TemporaryDirectory() as root, pytest.raises(IntegrityError):
        load(root, manifest)


def test_random_bytes_as_every_format(tmp_path):
    """Noise with the suffix of any format is a clear error."""
    for number, suffix in enumerate((".parquet", ".npy", ".safetensors", ".skops", ".pkl")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / f"a{suffix}").write_bytes(io.BytesIO(bytes(range(256)) * 9).read())
        with pytest.raises(LoadError):
            load(tmp_path / str(number), trusted=True)
