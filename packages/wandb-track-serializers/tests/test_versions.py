"""Files that earlier versions wrote: typed formats are read for ever, pickles as far as their library reads them."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from wandb_track_serializers import LoadError, load
from wandb_track_serializers._registry import _BUILTIN, by_id

DATA = Path(__file__).parent / "data"
FOLDERS = sorted(path.parent for path in DATA.glob("*/*/wandb_track.json"))


def expect(id, value):
    """Assert that a value is the one that make_data.py wrote."""
    if id == "builtins.pickle":
        assert value == Fraction(1, 3)
    elif id == "pathlib.files":
        assert sorted(path.relative_to(value).as_posix() for path in value.rglob("*")) == ["empty", "sub", "sub/a.txt"]
        assert (value / "sub" / "a.txt").read_text() == "a"
    elif id == "numpy.npy":
        assert value.dtype == "int16"
        assert value.tolist() == [[0, 1, 2], [3, 4, 5]]
    elif id == "pandas.parquet-series":
        assert value.name == "s"
        assert value.index.tolist() == ["a", "b"]
        assert value.isna().tolist() == [False, True]
    elif id == "pandas.parquet":
        assert value.columns.drop("missing", errors="ignore").tolist() == ["text", "objects", "when", "bins", "codes"]
        assert value["objects"].tolist() == [1, None]
        assert value["when"].dtype == "datetime64[us, Europe/Berlin]"
        assert value["bins"].cat.categories.dtype == "interval[float64, right]"
        assert value["codes"].cat.categories.tolist() == [3, 2, 1]
        assert value["codes"].cat.ordered
        assert value["text"].isna().tolist() == [False, True]
        assert value.index.tolist() == [("a", 1), ("b", 2)]
        assert list(value.index.names) == ["k", None]
        assert value.attrs == {"unit": "m"}
    elif id == "builtins.json":
        assert list(value) == ["a", 2]
        assert value["a"][0].tolist() == [0, 1, 2]
        assert value["a"][1] == (1, None)
        assert value[2] != value[2]
    elif id == "polars.parquet":
        assert value.to_dict(as_series=False) == {"a": [1, None], "b": ["x", "y"]}
    elif id == "pyarrow.parquet":
        assert (value["a"].to_pylist(), value["b"].to_pylist()) == ([2, 1, 2], [[1], None, []])
        assert "dictionary" in str(value.schema)
    elif id in ("sklearn.pickle", "sklearn.skops"):
        assert value.predict([[2.0]]).tolist() == pytest.approx([5.0])
    else:
        state = value if id == "torch.safetensors" else value.state_dict()
        assert {key: tensor.tolist() for key, tensor in state.items()} == {"weight": [[2.0]], "bias": [1.0]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_what_was_written_is_read(folder):
    """A typed format is read whatever wrote it; a pickle is read, or its error names the versions."""
    library = folder.name.partition(".")[0]
    if library not in ("builtins", "pathlib"):
        pytest.importorskip(library)
    if library == "pandas":
        pytest.importorskip("pyarrow")
    if folder.name in ("sklearn.skops", "torch.safetensors"):
        pytest.importorskip(folder.name.partition(".")[2])
    try:
        value = load(folder, trusted=True)
    except LoadError as caught:
        error = str(caught)
    else:
        expect(folder.name, value)
        return
    assert folder.name in ("sklearn.pickle", "sklearn.skops", "torch.module")
    written = json.loads((folder / "wandb_track.json").read_text())["versions"]
    assert f"{library} {written[library]}" in error


def test_every_version_of_every_format_is_kept():
    """For each serializer of this package there are files of each version of its format up to the present one."""
    kept = {
        (manifest["serializer"], manifest["format_version"])
        for manifest in (json.loads((folder / "wandb_track.json").read_text()) for folder in FOLDERS)
    }
    wanted = {(id, version) for id in _BUILTIN for version in range(1, by_id(id).version + 1)}
    assert kept == wanted


def test_files_of_todays_integrations_are_read_by_name(tmp_path):
    """What other programs wrote has no manifest: a lone file is read by its suffix, the rest is a path."""
    for name, contents in (("notes.txt", "n"), ("model.bin", "m")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(contents)
        assert load(folder) == folder / name
    assert load(tmp_path) == tmp_path
    (tmp_path / "p").mkdir()
    import pickle

    (tmp_path / "p" / "thing.pkl").write_bytes(pickle.dumps(Fraction(1, 2)))
    assert load(tmp_path / "p", trusted=True) == Fraction(1, 2)


def test_a_frame_of_todays_integration(tmp_path):
    """A frame that another program wrote comes back as pandas itself would read it."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[7, 8])
    frame.to_parquet(tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(load(tmp_path), pd.read_parquet(tmp_path / "frame.parquet"))
