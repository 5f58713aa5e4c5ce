"""What importing and asking cost: next to nothing."""

import subprocess
import sys

HEAVY = {"numpy", "pandas", "polars", "pyarrow", "torch", "sklearn", "skops", "safetensors", "wandb"}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_package_imports_nothing_else():
    """Importing the package imports only itself."""
    shown = python(
        "import sys; before = set(sys.modules); import wandb_track_serializers;print(sorted(set(sys.modules) - before))"
    )
    assert shown == "['wandb_track_serializers', 'wandb_track_serializers.__about__']\n"


def test_asking_for_a_kind_imports_no_library():
    """Neither classifying values nor writing what needs no library imports one."""
    shown = python(
        "import sys, tempfile, pathlib; import wandb_track_serializers as w\n"
        "class A: pass\n"
        "kinds = [w.kind_of(value) for value in (1, {}, None, A(), pathlib.Path(), len)]\n"
        "w.to_summary({'a': [1, {2}]})\n"
        "with tempfile.TemporaryDirectory() as d: w.load(w.dump(pathlib.Path, d) and d, trusted=True)\n"
        f"print(kinds, sorted({HEAVY!r} & set(sys.modules)))"
    )
    assert shown == "['summary', 'summary', 'summary', 'other', 'dataset', 'other'] []\n"


def test_a_module_that_waits_to_be_imported_is_left_waiting():
    """A lazy module, as flytekit puts in the place of pandas, is not imported by the search for a value's kind."""
    shown = python(
        "import importlib.util, sys; import wandb_track_serializers as w\n"
        "names = ('pandas', 'numpy', 'torch.nn', 'polars')\n"
        "for name in names:\n"
        "    spec = importlib.util.find_spec('fractions')\n"
        "    spec.loader = importlib.util.LazyLoader(spec.loader)\n"
        "    sys.modules[name] = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(sys.modules[name])\n"
        "class A: pass\n"
        "print(w.kind_of(A()), {type(sys.modules[name]).__name__ for name in names})"
    )
    assert shown == "other {'_LazyModule'}\n"


def test_every_public_name_is_there():
    """Each public name can be had, documented, and `dir` lists it; any other is an AttributeError."""
    import wandb_track_serializers as wts

    for name in wts.__all__:
        assert getattr(wts, name).__doc__
        assert name in dir(wts)
    assert not hasattr(wts, "something_else")


def test_libraries_that_only_look_like_one(tmp_path):
    """A module of the user's that has a library's name, and objects that claim another class, do no harm."""
    shown = python(
        "import sys, types; import wandb_track_serializers as w\n"
        "for name in ('pandas', 'numpy', 'torch', 'torch.nn', 'sklearn.base', 'polars', 'pyarrow'):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].DataFrame = sys.modules[name].ndarray = 'no class'\n"
        "class A:\n"
        "    __class__ = dict\n"
        "print(w.kind_of(A()), w.kind_of(object()))"
    )
    assert shown == "other other\n"
