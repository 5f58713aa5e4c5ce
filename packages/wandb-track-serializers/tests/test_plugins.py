"""Serializers of other distributions: installed for real, found by their entry points, and harmless when broken."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import wandb_track_serializers as wts
from wandb_track_serializers import RegistrationError, Serializer, dump, load, register, serializer_for

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "colours-for-wandb-track"
version = "3.2.1"

[project.entry-points."wandb_track.serializers"]
"colours.text" = "colours_plugin:ColourText"
"colours.broken" = "colours_plugin.broken:Nothing"
"colours.absent" = "colours_plugin.absent:Nothing"
"colours.other" = "colours_plugin:ColourText"
"colours.none" = "colours_plugin:NOT_ONE"
"colours.exit" = "colours_plugin.exit:Nothing"
"numpy.raw" = "colours_plugin:RawArray"
"fractions.text" = "colours_plugin:FractionText"
"numpy.npy" = "colours_plugin:ColourText"
"nowhere.used" = "colours_plugin.never:Nothing"

[tool.hatch.build.targets.wheel]
packages = ["colours", "colours_plugin"]
"""
COLOURS = """
__version__ = "9.9"

class Colour:
    def __init__(self, name):
        self.name = name

class Shade(Colour):
    pass
"""
PLUGIN = """
from wandb_track_serializers import Serializer

NOT_ONE = 3

class ColourText(Serializer):
    id = "colours.text"
    types = ("colours:Colour",)
    kind = "dataset"
    format = "text"
    version = 2
    safe = True
    libraries = ("colours",)

    def write(self, value, target):
        target.path(".txt").write_text(value.name)
        target.details["shade"] = type(value).__name__

    def read(self, source):
        import colours

        name = source.file.read().decode()
        if source.manifest.format_version == 1:
            name = name.upper()
        return getattr(colours, source.manifest.details["shade"])(name)


class RawArray(Serializer):
    id = "numpy.raw"
    types = ("numpy:ndarray",)
    format = "raw"
    safe = True

    def accepts(self, value):
        return value.dtype == "uint8"

    def write(self, value, target):
        target.path(".raw").write_bytes(value.tobytes())

    def read(self, source):
        import numpy as np

        return np.frombuffer(source.file.read(), "uint8")


class FractionText(Serializer):
    id = "fractions.text"
    types = ("fractions:Fraction",)
    format = "text"
    safe = True

    def write(self, value, target):
        target.path(".txt").write_text(str(value))

    def read(self, source):
        from fractions import Fraction

        return Fraction(source.file.read().decode())
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A plug-in distribution, built with its own backend and installed by pip into a folder."""
    root = tmp_path_factory.mktemp("plugin")
    files = {
        "pyproject.toml": PYPROJECT,
        "colours/__init__.py": COLOURS,
        "colours_plugin/__init__.py": PLUGIN,
        "colours_plugin/broken.py": "raise ZeroDivisionError('broken on purpose')\n",
        "colours_plugin/exit.py": "raise SystemExit(3)\n",
        "colours_plugin/absent.py": "import a_module_that_nobody_has\n",
        "colours_plugin/never.py": "raise SystemExit('this plug-in must not be imported')\n",
    }
    for path, text in files.items():
        (root / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "source" / path).write_text(text)
    site = root / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", site, root / "source"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return site


def python(site: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_installed_plug_in_is_found_by_its_entry_point(installed, tmp_path):
    """Values of a plug-in's classes are written by it, subclasses too, and the manifest names its distribution."""
    python(
        installed,
        f"""
import colours
from wandb_track_serializers import dump, kind_of, serializer_for
assert kind_of(colours.Shade("red")) == "dataset"
assert serializer_for(colours.Shade("red")).id == "colours.text"
manifest = dump(colours.Shade("red"), {str(tmp_path / "x")!r}, "paint")
assert manifest.written_by == "colours-for-wandb-track 3.2.1"
assert manifest.versions["colours"] == "9.9"
assert (manifest.format_version, manifest.files[0].path) == (2, "paint.txt")
""",
    )
    shown = python(
        installed,
        f"""
from wandb_track_serializers import load
assert "colours" not in sys.modules
back = load({str(tmp_path / "x")!r})
print(type(back).__name__, back.name)
""",
    )
    assert shown.startswith("Shade red\n")


def test_a_broken_plug_in_is_reported_and_takes_nothing_down(installed):
    """Plug-ins that are broken, exit, lack a module, have another's name or are none are reported once, by name."""
    shown = python(
        installed,
        """
import logging
logging.basicConfig(format="%(message)s")
import colours, fractions, pathlib
from wandb_track_serializers import kind_of, serializer_for
for _ in range(2):
    assert serializer_for(colours.Colour("red")).id == "colours.text"
    assert serializer_for(fractions.Fraction(1, 3)).id == "fractions.text"
    assert serializer_for(pathlib.Path()).id == "pathlib.files"
""",
    )
    lines = sorted(shown.splitlines())
    source = "of colours-for-wandb-track 3.2.1 is not used"
    assert len(lines) == 6, shown
    assert lines[0] == (
        f"plug-in 'colours.absent' {source}: it failed with ModuleNotFoundError:"
        " No module named 'a_module_that_nobody_has'"
    )
    assert lines[1] == f"plug-in 'colours.broken' {source}: it failed with ZeroDivisionError: broken on purpose"
    assert lines[2] == f"plug-in 'colours.exit' {source}: it failed with SystemExit: 3"
    assert lines[3].startswith(f"plug-in 'colours.none' {source}: serializer is of type int")
    assert lines[4].startswith(f"plug-in 'colours.other' {source}: its entry point is named 'colours.other'")
    assert lines[5].startswith(f"plug-in 'numpy.npy' {source}: its name is another serializer's")


def test_an_installed_plug_in_takes_a_built_ins_place(installed, tmp_path):
    """An installed override writes the values that it takes; the built-in has the others, and reads what it wrote."""
    np = pytest.importorskip("numpy")
    dump(np.arange(3, dtype="uint8"), tmp_path / "before")
    python(
        installed,
        f"""
import numpy as np, pathlib
from wandb_track_serializers import dump, load
root = pathlib.Path({str(tmp_path)!r})
assert dump(np.arange(3, dtype="uint8"), root / "raw").serializer == "numpy.raw"
assert dump(np.arange(3.0), root / "npy").serializer == "numpy.npy"
assert [load(root / name).tolist() for name in ("before", "raw", "npy")] == [[0, 1, 2]] * 3
""",
    )


def test_without_the_plug_in_the_error_names_it(installed, tmp_path):
    """Files of a plug-in that is not installed are an error that names its distribution."""
    python(
        installed,
        f"""
import colours
from wandb_track_serializers import dump
dump(colours.Colour("red"), {str(tmp_path / "x")!r})
""",
    )
    with pytest.raises(wts.LoadError, match=r"'colours\.text' of colours-for-wandb-track 3\.2\.1, which is not inst"):
        load(tmp_path / "x")


def test_a_plug_in_reads_its_older_formats(installed, tmp_path):
    """A plug-in is given the version that a file has, and one that is newer than it is refused."""
    python(
        installed,
        f"""
import colours, json, pathlib
from wandb_track_serializers import LoadError, dump, load
root = pathlib.Path({str(tmp_path / "x")!r})
dump(colours.Colour("red"), root)
manifest = json.loads((root / "wandb_track.json").read_text())
for version, wanted in ((1, "RED"), (2, "red"), (3, None)):
    (root / "wandb_track.json").write_text(json.dumps({{**manifest, "format_version": version}}))
    try:
        assert load(root).name == wanted
    except LoadError as error:
        assert version == 3 and "reads up to 2: upgrade it" in str(error)
""",
    )


class Thing:
    pass


class Part(Thing):
    pass


def make(**attributes):
    base = {
        "id": "tests.thing",
        "types": (f"{Thing.__module__}:Thing",),
        "format": "thing",
        "write": lambda self, value, target: target.path(".thing").write_bytes(b""),
        "read": lambda self, source: Thing(),
    }
    return type("Made", (Serializer,), base | attributes)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, Thing.__module__, sys.modules[__name__])


def test_the_most_derived_class_wins(registry):
    """Of serializers for a class and for its base, the one for the class itself is taken."""
    register(make())
    register(make(id="tests.part", types=(f"{Thing.__module__}:Part",)))
    assert serializer_for(Part()).id == "tests.part"
    assert serializer_for(Thing()).id == "tests.thing"


def test_a_serializer_can_leave_a_value_to_others(registry):
    """A value that a serializer does not accept goes to the next."""
    register(make(accepts=lambda self, value: not hasattr(value, "secret")))
    thing = Thing()
    assert serializer_for(thing).id == "tests.thing"
    thing.secret = 1
    assert serializer_for(thing).id == "builtins.pickle"


def test_the_last_for_a_class_comes_first(registry, tmp_path):
    """Of two serializers for a class the one registered last writes; what it cannot hold goes to the one before."""

    def write(self, value, target):
        raise wts.NotRepresentableError("it has a hole")

    register(make(safe=True))
    dump(Thing(), tmp_path / "old")
    register(make(id="tests.better"))
    assert serializer_for(Thing()).id == "tests.better"
    assert isinstance(load(tmp_path / "old"), Thing)
    register(make(id="tests.best", write=write))
    assert dump(Thing(), tmp_path / "new").serializer == "tests.better"


def test_a_builtin_can_be_overridden(registry, tmp_path):
    """This package's own come last, also where they are loaded later; another format beside them stays on request."""
    register(make(id="tests.name", types=("pathlib:Path",), format="name", on_request=True))
    assert serializer_for(tmp_path).id == "pathlib.files"
    assert serializer_for(tmp_path, "name").id == "tests.name"
    register(make(id="tests.all", types=("builtins:object",), format="pickle"))
    assert serializer_for(object()).id == "tests.all"


def test_an_override_is_for_the_values_that_it_takes(registry, tmp_path):
    """What an override does not take, by class or because it says no, is written as if there were no override."""
    thing = Thing()
    register(make(accepts=lambda self, value: not hasattr(value, "secret")))
    assert serializer_for(thing).id == "tests.thing"
    assert serializer_for(object()).id == "builtins.pickle"
    thing.secret = 1
    assert serializer_for(thing).id == "builtins.pickle"


def test_an_override_of_one_of_two_classes(registry, tmp_path):
    """A serializer for frames alone leaves series to the built-in one, and its kind with them."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    register(make(id="tests.frame", types=("pandas:DataFrame",), kind="model"))
    assert serializer_for(pd.DataFrame()).id == "tests.frame"
    assert (serializer_for(pd.Series([1])).id, wts.kind_of(pd.Series([1]))) == ("pandas.parquet", "dataset")


def test_what_comes_before_the_pickle_has_another_format(registry, tmp_path):
    """What a typed format cannot hold goes to whatever comes before the pickle, whatever its format is called."""

    def write(self, value, target):
        raise wts.NotRepresentableError("it has a hole")

    register(make(id="tests.all", types=("builtins:object",), format="dill"))
    register(make(write=write))
    assert dump(Thing(), tmp_path / "x").serializer == "tests.all"


def test_only_on_request(registry):
    """What is meant for requests is not taken without one."""
    register(make(on_request=True))
    assert serializer_for(Thing()).id == "builtins.pickle"
    assert serializer_for(Thing(), "thing").id == "tests.thing"


@pytest.mark.parametrize("target", ["/etc/passwd", "itself"])
def test_a_serializer_that_leaves_a_link(target, registry, tmp_path):
    """A plug-in that writes a link is named in the error; what the link points to is not read."""
    register(make(write=lambda self, value, to: (to.directory / "itself").symlink_to(target)))
    with pytest.raises(wts.IntegrityError, match=r"itself is a link or a device"):
        dump(Thing(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_registering_again(registry):
    """The same serializer may be registered again; another under its id may not."""
    again = make()
    register(again)
    register(again())
    with pytest.raises(RegistrationError, match=r"the id 'tests\.thing' is taken"):
        register(make())


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (3, "serializer is of type int: give a subclass"),
        (object, "serializer is of type type: give a subclass"),
        (make(id=""), "must have an id"),
        (make(types=()), "must have an id, a format, a kind"),
        (make(format=None), "must have an id"),
        (make(kind="nonsense"), r"must have .* a kind \(dataset, model, other\)"),
        (make(types="a:b"), "and types: a tuple of 'module:class'"),
        (make(types=("a.b",)), "and types: a tuple of 'module:class'"),
    ],
)
def test_what_is_no_serializer(registry, wrong, match):
    """What cannot serve as a serializer is refused when it is registered."""
    with pytest.raises(RegistrationError, match=match):
        register(wrong)


def test_a_serializer_that_fails_is_named(registry, tmp_path):
    """An exception within a plug-in is reported with the plug-in's id, and leaves nothing behind."""

    def write(self, value, target):
        target.path(".x").write_text("half")
        raise KeyError("colour")

    register(make(write=write))
    with pytest.raises(wts.UnsupportedValueError, match=r"tests\.thing failed with KeyError: 'colour'"):
        dump(Thing(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_serializer_that_cannot_even_say_whether(registry, caplog):
    """A plug-in that fails when it is asked about a value is passed over, by name."""
    register(make(accepts=lambda self, value: 1 / 0))
    assert serializer_for(Thing()).id == "builtins.pickle"
    assert "serializer 'tests.thing' is passed over: accepts() failed with ZeroDivisionError" in caplog.text


def test_details_that_are_no_json(registry, tmp_path):
    """What a plug-in leaves for its reader has to be JSON, and the error names the plug-in."""

    def write(self, value, target):
        target.path(".x").write_text("")
        target.details["when"] = object()

    register(make(write=write))
    with pytest.raises(wts.UnsupportedValueError, match=r"tests\.thing failed with TypeError: .* not JSON"):
        dump(Thing(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_serializer_that_gives_up(registry, tmp_path, caplog):
    """A plug-in whose format cannot hold a value has it pickled, with its reason as a note."""

    def write(self, value, target):
        target.path(".x").write_text("half")
        raise wts.NotRepresentableError("it has a hole")

    register(make(write=write))
    with caplog.at_level(logging.WARNING):
        manifest = dump(Thing(), tmp_path / "x")
    assert manifest.serializer == "builtins.pickle"
    assert manifest.notes[0].endswith("was pickled: it has a hole")
    assert [entry.path for entry in manifest.files] == ["value.pkl"]
