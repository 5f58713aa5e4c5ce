"""torch's modules and scikit-learn's estimators."""

import subprocess
import sys
import tempfile
import threading
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from same import difference
from wandb_track_serializers import (
    LoadError,
    UnsupportedValueError,
    dump,
    kind_of,
    load,
    serializer_for,
    to_artifact,
)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def sklearn():
    return pytest.importorskip("sklearn")


def test_a_wrapped_module_is_stored_as_what_it_wraps(torch, tmp_path):
    """A compiled module, one for several devices, and both at once come back as the plain module."""
    plain = torch.nn.Linear(2, 2)
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        spread = torch.nn.parallel.DistributedDataParallel(plain)
        cases = {
            "OptimizedModule": torch.compile(plain),
            "DistributedDataParallel": spread,
            "DataParallel": torch.nn.DataParallel(plain),
            "OptimizedModule and more": torch.compile(spread),
        }
        for number, (name, module) in enumerate(cases.items()):
            for format in (None, "safetensors"):
                manifest = dump(module, tmp_path / f"{number}{format}", format=format)
                assert manifest.notes[0] == f"stored without the {name.split()[0]} around it"
                back = load(tmp_path / f"{number}{format}", trusted=True)
                state = back if format else back.state_dict()
                assert format or type(back) is torch.nn.Linear
                assert torch.equal(state["weight"], plain.weight)
    finally:
        torch.distributed.destroy_process_group()


def test_what_torch_does_not_pickle(torch, tmp_path):
    """A scripted module, one that holds one, and one with parametrizations: the error says what does work."""
    pytest.importorskip("safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(torch.nn.Linear(1, 1))
    normed = torch.nn.Sequential(torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2)))
    cases = {"a scripted module": [scripted, torch.nn.Sequential(scripted)], "parametrizations": [normed]}
    for number, (what, modules) in enumerate(cases.items()):
        for module in modules:
            with pytest.raises(UnsupportedValueError, match=rf'{what}.*: format="safetensors" stores the state'):
                dump(module, tmp_path / "x")
            assert list(tmp_path.iterdir()) == []
            with tempfile.TemporaryDirectory() as folder:
                dump(module, f"{folder}/{number}", format="safetensors")
                back = load(f"{folder}/{number}")
            assert difference(dict(sorted(module.state_dict().items())), dict(sorted(back.items()))) == ""


def test_a_sparse_buffer(torch, tmp_path):
    """A module with a sparse buffer is stored like any other; as safetensors, which is dense, it is a clear error."""
    pytest.importorskip("safetensors")
    module = torch.nn.Module()
    module.register_buffer("a", torch.eye(3).to_sparse())
    module.register_buffer("b", torch.eye(3).to_sparse_csr())
    dump(module, tmp_path / "x", max_size=100_000)
    back = load(tmp_path / "x", trusted=True)
    assert difference(module, back) == ""
    with pytest.raises(UnsupportedValueError, match=r"at m\.state_dict\(\)\['a'\]: .*sparse.*leave format= out"):
        dump(module, tmp_path / "y", "m", format="safetensors")


def test_the_faulty_part_of_a_module_is_named(torch, tmp_path):
    """A hook that does not pickle is named by its place in the module, for the file of torch as for a pickle."""
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    model.hooks = [1, 2, 3, lambda: 1]
    with pytest.raises(UnsupportedValueError, match=r"at model\.hooks\[3\]: ") as caught:
        dump(model, tmp_path / "x", "model")
    assert caught.value.part == "model.hooks[3]"
    assert list(tmp_path.iterdir()) == []


def test_a_module_from_another_device_loads_on_the_cpu(torch, tmp_path, monkeypatch):
    """A file whose tensors are marked as a GPU's loads on the CPU."""
    from torch import serialization

    model = torch.nn.Linear(2, 2)
    monkeypatch.setattr(serialization, "location_tag", lambda storage: "cuda:3")
    dump(model, tmp_path / "x")
    monkeypatch.undo()
    assert b"cuda:3" in (tmp_path / "x" / "files" / "value.pkl").read_bytes()
    back = load(tmp_path / "x", trusted=True)
    assert {parameter.device.type for parameter in back.parameters()} == {"cpu"}
    assert torch.equal(back.weight, model.weight)


def test_tensors_that_are_no_module(torch, tmp_path):
    """Tensors alone and in containers (a state dict) come back, also of dtypes that Python's own pickle cannot read."""
    half = torch.ones(2, dtype=torch.bfloat16)
    small = torch.ones(2).to(torch.float8_e4m3fn) if hasattr(torch, "float8_e4m3fn") else half
    state = {"half": half, "epoch": 3, "model": torch.nn.Linear(1, 2).state_dict(), "best": (0.5, small)}
    for number, value in enumerate((half, small, [small], state)):
        assert dump(value, tmp_path / str(number)).serializer == "builtins.pickle"
        assert difference(value, load(tmp_path / str(number), trusted=True)) == ""


def test_a_state_dict_from_another_device_loads_on_the_cpu(torch, tmp_path, monkeypatch):
    """Also within a container, in a file whose tensors are marked as a GPU's, and shared memory stays shared."""
    from torch import serialization

    tied = torch.ones(2)
    monkeypatch.setattr(serialization, "location_tag", lambda storage: "cuda:3")
    dump({"a": [tied], "b": tied}, tmp_path / "x")
    monkeypatch.undo()
    back = load(tmp_path / "x", trusted=True)
    back["a"][0][0] = 5
    assert back["b"].tolist() == [5, 1]


def test_shared_and_strided_tensors_as_safetensors(torch, tmp_path):
    """Tied weights are written once and come back under every name; views and strides come back as they were."""
    pytest.importorskip("safetensors")
    model = torch.nn.Module()
    model.a = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    model.tied = model.a
    model.register_buffer("view", model.a.data[0])
    model.register_buffer("transposed", model.a.data.t())
    model.register_buffer("nothing", torch.zeros(0))
    model.register_buffer("small", torch.ones(3, dtype=torch.bfloat16))
    manifest = dump(model, tmp_path / "x", format="safetensors")
    back = load(tmp_path / "x")
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in model.state_dict().items())
    assert back["small"].dtype == torch.bfloat16
    assert manifest.size < 700


def test_what_safetensors_cannot_hold(torch, tmp_path):
    """State that is no tensor is an error that names it."""

    class Extra(torch.nn.Module):
        def get_extra_state(self):
            return {"step": 1}

    pytest.importorskip("safetensors")
    with pytest.raises(UnsupportedValueError, match=r"at m\.state_dict\(\)\['_extra_state'\]"):
        dump(Extra(), tmp_path / "x", "m", format="safetensors")


def test_max_size_of_a_module(torch, tmp_path):
    """A module over `max_size` is refused, and leaves nothing behind; safetensors before any of it is written."""
    from wandb_track_serializers import TooLargeError

    model = torch.nn.Linear(100, 100)
    for format in (None, "safetensors"):
        with pytest.raises(TooLargeError, match=r"'value' takes [0-9,]+ bytes") as caught:
            dump(model, tmp_path / "x", format=format, max_size=40_000)
    assert caught.value.size == 40_400
    dump(model, tmp_path / "x", max_size=60_000)


def test_a_module_that_is_an_estimator_too(torch, sklearn, tmp_path):
    """What is a module and an estimator is written by torch, whichever class it names first."""
    from sklearn.base import BaseEstimator

    for bases in ((torch.nn.Module, BaseEstimator), (BaseEstimator, torch.nn.Module)):
        cls = type("Both", bases, {"__init__": lambda self: torch.nn.Module.__init__(self)})
        assert kind_of(cls()) == "model"
        assert serializer_for(cls()).id == "torch.module"
        assert serializer_for(cls(), "safetensors").id == "torch.safetensors"


def test_a_module_is_read_by_name_too(torch, tmp_path):
    """A module that another integration saved as .pkl, without a manifest, is recognised."""
    torch.save(torch.nn.Linear(1, 2), tmp_path / "model.pkl")
    assert load(tmp_path, trusted=True).out_features == 2


def test_a_broken_torch_file(torch, tmp_path):
    """A cut file of torch or safetensors is a clear error."""
    for number, format in enumerate((None, "safetensors")):
        if format:
            pytest.importorskip("safetensors")
        dump(torch.nn.Linear(1, 2), tmp_path / str(number), format=format)
        (path,) = (tmp_path / str(number) / "files").iterdir()
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        (folder / path.name).write_bytes(path.read_bytes()[:100])
        with pytest.raises(LoadError):
            load(folder, trusted=True)


def test_estimators_have_the_kind_of_models(sklearn):
    """Estimators, pipelines and meta-estimators are models, and skops is among their formats."""
    from sklearn.ensemble import BaggingRegressor
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    for estimator in (LinearRegression(), make_pipeline(LinearRegression()), BaggingRegressor(LinearRegression())):
        assert kind_of(estimator) == "model"
        assert serializer_for(estimator).format == "pickle"
        assert serializer_for(estimator, "skops").safe


def test_the_faulty_part_of_an_estimator_is_named(sklearn, tmp_path):
    """A part of an estimator that does not pickle is named, also where the format asked for does not take it."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pipeline = make_pipeline(FunctionTransformer(threading.Lock()))
    for number, format in enumerate([None, "skops"] if find_spec("skops") else [None]):
        with pytest.raises(UnsupportedValueError) as caught:
            dump(pipeline, tmp_path / str(number), "model", format=format)
        assert caught.value.part == "model.steps[0][1].func"


@pytest.mark.parametrize("format", [None, "skops"])
def test_a_function_within_a_pipeline(sklearn, format, tmp_path):
    """A lambda or a local function is stored by value, and read in another process; skops would write what nothing
    reads, which is said when it is stored. Without cloudpickle it is an error that names the function."""
    pytest.importorskip("cloudpickle")
    if format:
        pytest.importorskip(format)
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def local(x):
        return x + 1

    for number, function in enumerate((lambda x: x + 1, local)):
        pipeline = make_pipeline(FunctionTransformer(function))
        manifest = dump(pipeline, tmp_path / str(number), format=format)
        assert (manifest.serializer, manifest.kind) == ("sklearn.pickle", "model")
        assert "is stored by value" in manifest.notes[-1]
        assert format is None or "skops cannot read it back" in manifest.notes[0]
        code = f"from wandb_track_serializers import load; print(load({str(tmp_path / str(number))!r}, trusted=True)"
        shown = subprocess.run(
            [sys.executable, "-c", f"{code}.transform(2))"], capture_output=True, text=True, check=True
        )
        assert shown.stdout == "3\n"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cloudpickle", None)
            with pytest.raises(UnsupportedValueError, match=r"at value\.steps\[0\]\[1\]\.func"):
                dump(pipeline, tmp_path / f"without {number}")


class Counted:
    """Counts how often it is asked for its state."""

    asked = 0

    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)

    def __getstate__(self):
        type(self).asked += 1
        return self.__dict__


def test_a_function_within_a_pipeline_is_pickled_at_most_twice(sklearn, tmp_path):
    """By pickle, as an orchestrator does, and once more by value."""
    pytest.importorskip("cloudpickle")
    from sklearn.preprocessing import FunctionTransformer

    Counted.asked = 0
    manifest = dump(FunctionTransformer(Counted(lambda x: x + 1)), tmp_path / "x")
    assert "is stored by value" in manifest.notes[-1]
    assert Counted.asked == 2


def test_a_missing_extra_is_named(sklearn, torch, tmp_path, monkeypatch):
    """Where the library of a format is not installed, the error names the extra that brings it."""
    from sklearn.linear_model import LinearRegression

    for name in ("skops", "skops.io", "safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnsupportedValueError, match=r"wandb-track-serializers\[skops\]"):
        dump(LinearRegression(), tmp_path / "x", format="skops")
    with pytest.raises(UnsupportedValueError, match=r"wandb-track-serializers\[safetensors\]"):
        dump(torch.nn.Linear(1, 1), tmp_path / "x", format="safetensors")


def test_reading_without_the_library(tmp_path):
    """Files of a library that is not installed here are an error that names what to install."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    import pandas as pd

    dump(pd.DataFrame({"a": [1]}), tmp_path / "x")
    code = (
        "import sys; sys.modules.update({'pandas': None, 'pyarrow': None, 'numpy': None}); "
        f"from wandb_track_serializers import load; load({str(tmp_path / 'x')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'wandb-track-serializers[pandas]'" in done.stderr


def test_where_a_module_is_written_leaves_no_trace(torch, tmp_path):
    """A module gives the same bytes in whichever folder it is written."""
    module = torch.nn.Linear(2, 2)
    assert dump(module, tmp_path / "a").files == dump(module, tmp_path / "somewhere" / "else").files


def test_types_of_artifacts(torch, sklearn, tmp_path, wandb_env):
    """A model's artifact has the name, type and file that users of today's integration know."""
    from sklearn.linear_model import LinearRegression

    for number, value in enumerate((torch.nn.Linear(1, 1), LinearRegression())):
        artifact = to_artifact("clf", value, models=True, directory=tmp_path / str(number))
        assert (artifact.name, artifact.type, list(artifact.manifest.entries)) == ("clf", "model", ["clf.pkl"])
        assert to_artifact("clf", value, datasets=True, others=True) is None
    assert Path(tmp_path / "0" / "files" / "clf.pkl").stat().st_mode & 0o777 == 0o444
