"""Artifacts through the real client: written, logged, downloaded by name and read back."""

import json
import pickle
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

wandb = pytest.importorskip("wandb")
pytest.importorskip("wandb_track_testing")

import wandb_track_serializers as wts  # noqa: E402 (needs wandb)
from wandb_track_serializers import METADATA_KEY, Manifest, from_artifact, load, to_artifact  # noqa: E402


class Thing:
    def __init__(self, number):
        self.number = number


def log(values, folder, **init):
    """Log each value as an artifact of a new run, and wait until the server holds them."""
    with wandb.init(project="p", entity="acme", **init) as run:
        artifacts = {}
        for name, value in values.items():
            artifact = to_artifact(
                name, value, datasets=True, models=True, others=True, directory=folder and folder / run.id / name
            )
            artifacts[name] = run.log_artifact(artifact).wait()
    return artifacts


def frame():
    import pandas as pd

    return pd.DataFrame({"a": pd.Categorical([3, 1], categories=[3, 2, 1]), "b": ["x", None]}, index=[5, 6])


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_text("a")
    (root / "sub" / "b.txt").write_text("b")
    return root


def test_round_trip(wandb_online, wandb_env, tree):
    """Values are logged, found by name, and equal; logging the same once more makes no new version of any."""
    values = {"tree": tree, "file": tree / "a.txt", "thing": Thing(7)}
    if find_spec("numpy"):
        import numpy as np

        values["array"] = np.arange(5)
    if find_spec("pandas") and find_spec("pyarrow"):
        values["frame"] = frame()
    first = log(values, wandb_env / "kept")
    assert {name: artifact.version for name, artifact in first.items()} == dict.fromkeys(values, "v0")
    again = log(values, wandb_env / "kept")
    assert {name: artifact.version for name, artifact in again.items()} == dict.fromkeys(values, "v0")
    changed = log({"thing": Thing(8)}, wandb_env / "kept")
    assert changed["thing"].version == "v1"

    api = wandb.Api()
    found = {name: api.artifact(f"acme/p/{name}:v0") for name in values}
    assert {name: artifact.type for name, artifact in found.items()} == {
        name: "dataset" if name in ("tree", "file", "frame") else "other" for name in values
    }
    back = from_artifact(found["tree"])
    assert {path.relative_to(back).as_posix() for path in back.rglob("*")} == {
        path.relative_to(tree).as_posix() for path in tree.rglob("*")
    }
    assert from_artifact(found["file"], directory=wandb_env / "to").read_text() == "a"
    assert (wandb_env / "to" / "a.txt").exists()
    with pytest.raises(wts.UntrustedError, match=r"acme/p/thing:v0.*It was logged by tester in the run acme/p/"):
        from_artifact(found["thing"])
    assert from_artifact(found["thing"], trusted=True).number == 7
    if "array" in found:
        assert from_artifact(found["array"]).tolist() == [0, 1, 2, 3, 4]
    if "frame" in found:
        import pandas as pd

        pd.testing.assert_frame_equal(from_artifact(found["frame"]), values["frame"])

    manifest = found["thing"].metadata[METADATA_KEY]
    assert (manifest["serializer"], manifest["class"]) == ("builtins.pickle", f"{Thing.__module__}.Thing")
    entry = found["thing"].manifest.entries["thing.pkl"]
    assert manifest["files"][0]["size"] == entry.size


def test_lies_and_damage(wandb_online, wandb_env, tree):
    """Metadata that was edited, and a file that was damaged in the client's cache, do not get through."""
    logged = log({"tree": tree}, wandb_env / "kept")["tree"]
    original = json.loads(json.dumps(logged.metadata))

    def edited(**changes):
        logged.metadata = {METADATA_KEY: original[METADATA_KEY] | changes}
        return wandb.Api().artifact("acme/p/tree:v0") if logged.save() is None else None

    files = original[METADATA_KEY]["files"]
    for lie in (
        [{**files[0], "md5": "0" * 32}],
        [{**files[0], "path": "../../evil"}],
        [{**files[0], "path": "missing"}],
        [{**files[0], "size": 5}],
    ):
        with pytest.raises(wts.IntegrityError):
            from_artifact(edited(files=lie))
    with pytest.raises(wts.IntegrityError, match="is not in the manifest"):
        from_artifact(edited(files=files[:1]), directory=wandb_env / "part")
    with pytest.raises(wts.UntrustedError):
        from_artifact(edited(serializer="builtins.pickle"))
    with pytest.raises(wts.IntegrityError, match=r"the manifest is of type|'manifest' is of type"):
        from_artifact(edited(manifest="x"))

    artifact = edited()
    assert (from_artifact(artifact, directory=wandb_env / "one") / "a.txt").read_text() == "a"
    cache = Path(wandb.env.get_cache_dir(), "artifacts", "obj")
    damaged = [path for path in cache.rglob("*") if path.is_file()]
    assert len(damaged) == 2
    for path in damaged:
        path.chmod(0o600)
        path.write_text("X")
    back = from_artifact(artifact, directory=wandb_env / "two")
    assert (back / "a.txt").read_text() == "a"
    assert (back / "sub" / "b.txt").read_text() == "b"


def test_artifacts_of_other_programs(wandb_online, wandb_env, tree):
    """An artifact without a manifest is read by the name of its file, where that is safe, or is a path."""
    (wandb_env / "plain.pkl").write_bytes(pickle.dumps({"a": 1}))
    with wandb.init(project="p", entity="acme") as run:
        for name, kind, path in (("plain", "other", wandb_env / "plain.pkl"), ("folder", "dataset", tree)):
            artifact = wandb.Artifact(name, type=kind)
            (artifact.add_dir if path.is_dir() else artifact.add_file)(str(path))
            run.log_artifact(artifact).wait()
    api = wandb.Api()
    with pytest.raises(wts.UntrustedError, match="written by an unknown program"):
        from_artifact(api.artifact("acme/p/plain:v0"))
    assert from_artifact(api.artifact("acme/p/plain:v0"), trusted=True) == {"a": 1}
    back = from_artifact(api.artifact("acme/p/folder:latest"))
    assert (back / "sub" / "b.txt").read_text() == "b"


def test_an_empty_folder(wandb_online, wandb_env):
    """A folder that holds nothing is logged, and comes back as one."""
    (wandb_env / "empty").mkdir()
    logged = log({"empty": wandb_env / "empty"}, wandb_env / "kept")["empty"]
    assert not logged.manifest.entries
    assert list(from_artifact(logged, directory=wandb_env / "back").iterdir()) == []
    assert list(from_artifact(logged).iterdir()) == []


def test_references_beside_files(wandb_online, wandb_env, tree):
    """An artifact of another program that holds both is refused."""
    with wandb.init(project="p", entity="acme") as run:
        artifact = wandb.Artifact("beside", type="dataset")
        artifact.add_reference((tree / "a.txt").as_uri(), name="reference.txt")
        artifact.add_file(str(tree / "a.txt"))
        run.log_artifact(artifact).wait()
    with pytest.raises(wts.LoadError, match="acme/p/beside:v0 holds both files and references"):
        from_artifact(wandb.Api().artifact("acme/p/beside:v0"), directory=wandb_env / "to")
    assert not (wandb_env / "to").exists()


@pytest.mark.parametrize("path", ["../../../outside.txt", "absolute"])
def test_paths_of_an_artifact_that_escape(path, wandb_online, wandb_env):
    """An artifact whose own list of files leads out of its folder is refused before anything is downloaded."""
    path = path if path.startswith(".") else str(wandb_env / "outside.txt")
    (wandb_env / "evil.txt").write_text("evil")
    artifact = wandb.Artifact("evil", type="dataset")
    entry = artifact.add_file(str(wandb_env / "evil.txt"))
    del artifact.manifest.entries["evil.txt"]
    entry.path = path
    artifact.manifest.entries[path] = entry
    with wandb.init(project="p", entity="acme") as run:
        run.log_artifact(artifact).wait()
    found = wandb.Api().artifact("acme/p/evil:v0")
    assert list(found.manifest.entries) == [path]
    before = sorted(wandb_env.rglob("*"))
    with pytest.raises(wts.IntegrityError, match="no path within the value's own folder"):
        from_artifact(found, directory=wandb_env / "deep" / "er")
    assert sorted(wandb_env.rglob("*")) == before


@pytest.mark.parametrize("directory", ["kept", None])
def test_a_path_may_change_once_it_is_an_artifact(directory, wandb_online, wandb_env, tree):
    """What a path named when `to_artifact` was called is uploaded, with and without a folder of its own."""
    artifact = to_artifact("tree", tree, datasets=True, directory=directory and wandb_env / directory)
    (tree / "a.txt").write_text("changed before the upload")
    (tree / "sub" / "b.txt").unlink()
    with wandb.init(project="p", entity="acme") as run:
        logged = run.log_artifact(artifact).wait()
    back = from_artifact(logged, directory=wandb_env / "back")
    assert [(back / path).read_text() for path in ("a.txt", "sub/b.txt")] == ["a", "b"]


def test_offline(wandb_env, tree):
    """Offline, the files lie in the folder that was given, are not copied, and are read back from there."""
    with wandb.init(project="p", mode="offline") as run:
        folder = Path(run.dir).parent / "artifacts" / "tree"
        artifact = to_artifact("tree", tree, datasets=True, directory=folder, metadata={"mine": 1}, description="d")
        run.log_artifact(artifact)
        (tree / "sub" / "b.txt").write_text("changed before the sync")
        with pytest.raises(wts.LoadError, match="is a draft that no server holds"):
            from_artifact(artifact)
    assert artifact.metadata["mine"] == 1
    assert artifact.description == "d"
    staging = wandb_env / "home" / "data" / "artifacts" / "staging"
    assert not staging.exists() or not any(staging.iterdir())
    from wandb_track_testing.offline import find_runs

    (recorded,) = find_runs(wandb_env)[0].artifacts
    assert {path: entry.local_path for path, entry in recorded.entries.items()} == {
        path: folder / "files" / path for path in ("a.txt", "sub/b.txt")
    }
    moved = folder.rename(wandb_env / "moved")
    assert (load(moved) / "sub" / "b.txt").read_text() == "b"
    assert Manifest.from_json(artifact.metadata[METADATA_KEY]) == Manifest.from_text(
        (moved / "wandb_track.json").read_text()
    )


def test_without_a_folder_the_client_keeps_a_copy(wandb_env, tree, monkeypatch, tmp_path):
    """Without `directory` the files are in the client's own staging area, and nothing else is left."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    artifact = to_artifact("tree", tree, datasets=True)
    staging = wandb_env / "home" / "data" / "artifacts" / "staging"
    for entry in artifact.manifest.entries.values():
        assert Path(entry.local_path).is_relative_to(staging)
        assert Path(entry.local_path).exists()
    assert not [path for path in (tmp_path / "temporary").iterdir() if path.name.startswith("wandb-track-")]


def test_the_digest_is_the_clients(wandb_env, tree):
    """The artifact has the digest of the plain client's artifact of the same files, and the manifest its hashes."""
    plain = wandb.Artifact("tree", type="dataset")
    plain.add_dir(str(tree))
    ours = to_artifact("tree", tree, datasets=True, directory=wandb_env / "out")
    assert ours.digest == plain.digest
    hashes = {entry["path"]: entry["md5"] for entry in ours.metadata[METADATA_KEY]["files"]}
    import hashlib

    assert hashes == {path: hashlib.md5((tree / path).read_bytes()).hexdigest() for path in ("a.txt", "sub/b.txt")}


def test_an_artifact_has_the_names_of_todays_integrations(tree, wandb_env):
    """A file's artifact holds it under its own name, a folder's its tree; type dataset, without a client's copy."""
    for value, names in ((tree, ["a.txt", "sub/b.txt"]), (tree / "a.txt", ["a.txt"])):
        folder = wandb_env / f"out{len(names)}"
        artifact = to_artifact("data", value, datasets=True, directory=folder)
        assert (artifact.type, sorted(artifact.manifest.entries)) == ("dataset", names)
        for entry in artifact.manifest.entries.values():
            assert Path(entry.local_path).is_relative_to(folder)
            assert entry.skip_cache


def test_very_many_files(wandb_online, wandb_env):
    """Of more than a thousand files the metadata holds the common hash, and they still come back verified."""
    root = wandb_env / "many"
    root.mkdir()
    for number in range(1_001):
        (root / f"{number}").write_text(str(number % 3))
    logged = log({"many": root}, wandb_env / "kept")["many"]
    assert "files" not in logged.metadata[METADATA_KEY]
    assert logged.metadata[METADATA_KEY]["files_count"] == 1_001
    back = from_artifact(logged, directory=wandb_env / "back")
    assert sum(int(path.read_text()) for path in back.iterdir()) == sum(number % 3 for number in range(1_001))


def test_what_is_not_wanted(wandb_env):
    """Without the flag of its kind a value makes no artifact; a base type never does."""
    folder = wandb_env / "out"
    assert to_artifact("x", Thing(1), datasets=True, models=True, directory=folder) is None
    assert to_artifact("x", Path("missing"), models=True, others=True, directory=folder) is None
    assert to_artifact("x", {"a": 1}, datasets=True, models=True, others=True, directory=folder) is None
    assert not folder.exists()


def test_failures_leave_nothing(wandb_env, monkeypatch):
    """A value that cannot be written, or that the client does not take, leaves no artifact and no file."""
    with pytest.raises(wts.UnsupportedValueError, match=r"'x' .* cannot be written"):
        to_artifact("x", lambda: 1, others=True, directory=wandb_env / "out")
    with pytest.raises(ValueError, match="name is 'a/b'"):
        to_artifact("a/b", Thing(1), others=True, directory=wandb_env / "out")
    with pytest.raises(ValueError, match="metadata holds the key 'wandb_track'"):
        to_artifact("x", Thing(1), others=True, directory=wandb_env / "out", metadata={METADATA_KEY: 1})
    monkeypatch.setattr(wandb.Artifact, "add_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        to_artifact("x", Thing(1), others=True, directory=wandb_env / "out")
    assert not (wandb_env / "out").exists()


def test_failures_leave_nothing_of_several_files(wandb_env, tree, tmp_path, monkeypatch):
    """Without `directory`, neither a temporary file nor a copy of the client's is left of a folder that fails."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    add_file = wandb.Artifact.add_file

    def fail_at_the_second(self, path, **options):
        if options["name"] == "sub/b.txt":
            raise OSError("no")
        return add_file(self, path, **options)

    monkeypatch.setattr(wandb.Artifact, "add_file", fail_at_the_second)
    with pytest.raises(OSError, match="no"):
        to_artifact("tree", tree, datasets=True)
    (tree / "link").symlink_to("/etc/passwd")
    with pytest.raises(wts.UnsupportedValueError, match="link out of the folder"):
        to_artifact("tree", tree, datasets=True)
    assert not list((wandb_env / "home" / "data" / "artifacts" / "staging").glob("*"))
    assert not list((tmp_path / "temporary").glob("wandb-track-*"))


def test_what_is_no_artifact():
    """Anything but an artifact is an error that names its type."""
    with pytest.raises(TypeError, match="artifact is of type str"):
        from_artifact("acme/p/x:v0")


@pytest.mark.parametrize("found", [None, ModuleType("wandb")], ids=["nothing", "a folder of runs"])
def test_without_the_client(found, monkeypatch, tmp_path):
    """Without wandb `to_artifact` says what to install; `dump` and `load` do without it."""
    monkeypatch.setitem(__import__("sys").modules, "wandb", found)
    with pytest.raises(wts.SerializerError, match=r"pip install 'wandb-track-serializers\[wandb\]'"):
        to_artifact("x", Thing(1), others=True, directory=tmp_path / "x")
    with pytest.raises(wts.SerializerError, match=r"pip install 'wandb-track-serializers\[wandb\]'"):
        wts.to_reference("x", wts.Location(Path(__file__).as_uri()))
    wts.dump(Thing(3), tmp_path / "x")
    assert load(tmp_path / "x", trusted=True).number == 3
