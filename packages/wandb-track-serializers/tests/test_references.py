"""References: artifacts that refer to files elsewhere, made without reading a byte of them, and read back verified."""

import os
import time
from pathlib import Path

import pytest

wandb = pytest.importorskip("wandb")
pytest.importorskip("wandb_track_testing")
fsspec = pytest.importorskip("fsspec")
from wandb_track_core import ArgumentError  # noqa: E402 (needs wandb)
from wandb_track_core.adapters import read_lineage, run_folder  # noqa: E402
from wandb_track_serializers import (  # noqa: E402
    IntegrityError,
    LoadError,
    Location,
    Serializer,
    SerializerError,
    TooLargeError,
    UntrustedError,
    from_artifact,
    load_artifact,
    log_value,
    register,
    to_reference,
    use_value,
)


@pytest.fixture
def s3(wandb_env, bucket):
    """A bucket, as fsspec sees it."""
    pytest.importorskip("s3fs")
    os.environ.update(bucket.env)
    return fsspec.filesystem("dir", path=bucket.uri, fs=fsspec.filesystem("s3"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data" / "rows 1#%.csv"
    path.parent.mkdir()
    path.write_text("a,b\n1,2\n")
    return path


@pytest.fixture(params=["offline", "online"])
def run(request, wandb_env):
    """A run that is offline, and one that is online."""
    if request.param == "online":
        os.environ.update(request.getfixturevalue("standin").env())
    with wandb.init(project="p", entity="acme", mode=request.param) as run:
        yield run


def log(run, name, value, **options):
    artifact = log_value(run, name, value, ["here"], **{"storage": "reference", **options})
    if not run.offline:
        artifact.wait()
    return artifact


def test_a_local_file_is_referred_to_and_comes_back_as_a_path(run, file):
    artifact = log(run, "rows", file)
    (entry,) = artifact.manifest.entries.values()
    assert (entry.path, entry.ref, entry.size) == (file.name, file.as_uri(), 8)
    assert artifact.type == "dataset"
    assert not (run_folder(run) / "wandb-track" / "artifacts").exists()
    back = use_value(run, "rows", "here", load=True)
    assert (back.name, back.read_text(), back == file) == (file.name, "a,b\n1,2\n", False)


def test_a_folder_comes_back_with_all_that_is_in_it(run, file):
    (file.parent / "deep" / "er").mkdir(parents=True)
    (file.parent / "deep" / "er" / "x").write_text("x")
    assert len(log(run, "tree", file.parent).manifest.entries) == 2
    back = use_value(run, "tree", "here", load=True)
    assert {path.relative_to(back).as_posix() for path in back.rglob("*")} == {
        file.name,
        "deep",
        "deep/er",
        "deep/er/x",
    }


@pytest.mark.parametrize("change", ["same size", "another size", "deleted"])
def test_a_local_file_that_was_changed_or_deleted_is_named(run, file, change):
    log(run, "rows", file)
    file.unlink()
    if change != "deleted":
        file.write_text("a,b\n1,3\n" if change == "same size" else "more than there was")
    reason = "does not exist" if change == "deleted" else "was changed"
    with pytest.raises(IntegrityError, match=f"{file.as_uri()}.* {reason}"):
        use_value(run, "rows", "here", load=True)


def test_an_object_of_s3_is_referred_to_by_size_and_etag(run, s3, bucket):
    """The second key is a URI in which the client's own handler takes the end for something else."""
    for key in ("raw/x.bin", "raw/y#1?v=%20.bin"):
        s3.pipe(key, b"contents")
        artifact = log(run, "x", f"{bucket.uri}/{key}")
        (entry,) = artifact.manifest.entries.values()
        assert (entry.ref, entry.size) == (f"{bucket.uri}/{key}", 8)
        assert entry.digest == entry.extra["etag"] == "98bf7d8c15784f0a3d63204441e1e2aa"
        assert use_value(run, "x", "here", load=True).read_bytes() == b"contents"
    s3.pipe(key, b"changed!")
    with pytest.raises(IntegrityError, match="was changed since artifact"):
        use_value(run, "x", "here", load=True)
    s3.rm(key)
    with pytest.raises(IntegrityError, match="does not exist"):
        use_value(run, "x", "here", load=True)


def test_a_folder_of_s3_comes_back(run, s3, bucket):
    for path, contents in (("raw/a", b"a"), ("raw/deep/b", b"bb")):
        s3.pipe(path, contents)
    log(run, "tree", f"{bucket.uri}/raw/")
    back = use_value(run, "tree", "here", load=True)
    assert {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        "a": b"a",
        "deep/b": b"bb",
    }


def test_the_clients_own_download_reads_an_object_of_s3(wandb_online, s3, bucket):
    s3.pipe("x.bin", b"contents")
    with wandb.init(project="p", entity="acme") as run:
        artifact = log(run, "x", f"{bucket.uri}/x.bin")
        assert Path(artifact.get_entry("x.bin").download()).read_bytes() == b"contents"


def test_what_nothing_was_hashed_of_is_not_taken_for_verified(wandb_online):
    with wandb.init(project="p", entity="acme") as run:
        artifact = wandb.Artifact("foreign", "dataset")
        artifact.add_reference("http://127.0.0.1:1/x", checksum=False)
        with pytest.raises(LoadError, match="acme/p/foreign:v0 was logged with checksum=False"):
            from_artifact(run.log_artifact(artifact).wait())


@pytest.mark.parametrize("where", ["s3", "file"])
def test_what_the_client_itself_made_a_reference_to_is_read_too(wandb_online, s3, bucket, tmp_path, where):
    s3.pipe("x.bin", b"contents")
    (tmp_path / "x.bin").write_bytes(b"contents")
    uri = f"{bucket.uri}/x.bin" if where == "s3" else (tmp_path / "x.bin").as_uri()
    with wandb.init(project="p", entity="acme") as run:
        artifact = wandb.Artifact("foreign", "dataset")
        artifact.add_reference(uri)
        assert from_artifact(run.log_artifact(artifact).wait()).read_text() == "contents"
        s3.pipe("x.bin", b"changed!")
        (tmp_path / "x.bin").write_bytes(b"changed!")
        with pytest.raises(IntegrityError, match=f"{uri} was changed since artifact acme/p/foreign:v0"):
            from_artifact(run.use_artifact("foreign:v0"))


def test_nothing_is_written_to_wandb_but_the_manifest(wandb_online, s3, bucket):
    """And it is no larger for 64 MiB than for a byte."""
    sent = []
    for name, contents in (("a", b"x"), ("b", bytes(64 << 20))):
        s3.pipe(name, contents)
        before = len(wandb_online.requests)
        with wandb.init(project="p", entity="acme") as run:
            log(run, name, f"{bucket.uri}/{name}")
        uploads = [each for each in wandb_online.requests[before:] if each.path.startswith("/storage/artifact")]
        assert not uploads
        manifests = [each for each in wandb_online.requests[before:] if each.path.startswith("/storage/manifest")]
        sent.append(sum(each.size for each in manifests))
    assert 0 < sent[0] < 1000
    assert abs(sent[1] - sent[0]) < 20


def test_not_a_byte_of_the_file_is_read(wandb_env, tmp_path):
    """A TiB, in a file that takes no space: it would take hours."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    began = time.monotonic()
    artifact = to_reference("large", Location.of(tmp_path / "large"))
    assert time.monotonic() - began < 10
    assert artifact.size == 1 << 40


@pytest.mark.parametrize(
    "value", ["table", "ftp://host/x", "https://host/x", 7, None, "simplecache::s3://bucket/x", Location("file:///x")]
)
def test_what_is_neither_a_uri_that_is_known_nor_a_path(wandb_env, value):
    with (
        wandb.init(project="p", mode="offline") as run,
        pytest.raises(ArgumentError, match="value must be a URI"),
    ):
        log_value(run, "x", value, storage="reference")


def test_a_storage_that_there_is_not(wandb_env):
    with (
        wandb.init(project="p", mode="offline") as run,
        pytest.raises(ArgumentError, match="storage must be 'copy' or 'reference', not 'link'"),
    ):
        log_value(run, "x", "file:///x", storage="link")


def test_what_is_not_there_is_no_empty_artifact(s3, bucket, tmp_path):
    (tmp_path / "empty").mkdir()
    for uri in (f"{bucket.uri}/none", "s3://nowhere/none", (tmp_path / "none").as_uri(), (tmp_path / "empty").as_uri()):
        with pytest.raises(SerializerError, match=f"{uri} (does not exist|is an empty folder|cannot be reached)"):
            to_reference("x", Location(uri))


def test_a_store_that_cannot_be_reached(s3):
    location = Location(
        "s3://bucket/x", filesystem=lambda uri: fsspec.filesystem("s3", endpoint_url="http://127.0.0.1:1")
    )
    with pytest.raises(SerializerError, match="s3://bucket/x cannot be reached: "):
        to_reference("x", location)


def test_a_local_file_of_a_container_is_copied_and_one_line_tells(wandb_env, file, capfd):
    with wandb.init(project="p", mode="offline") as run:
        log_value(run, "rows", file, storage="reference", in_container=True)
        folder = run_folder(run)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "copied" in line]
    assert "rows is copied, not referred to: file://" in line
    (edge,) = read_lineage(folder)
    assert (folder / edge["folder"] / "files" / file.name).read_text() == file.read_text()


def test_a_pickle_is_read_only_when_trusted_and_a_frame_without(run, tmp_path):
    import pickle

    (tmp_path / "thing.pkl").write_bytes(pickle.dumps({1, 2}))
    location = Location((tmp_path / "thing.pkl").as_uri(), "other", "builtins.pickle", "set")
    log(run, "thing", {1, 2}, storage=location)
    with pytest.raises(UntrustedError, match=r"is a pickle of set"):
        use_value(run, "thing", "here", load=True)
    assert use_value(run, "thing", "here", load=True, trusted=True) == {1, 2}


def test_a_frame_in_a_folder_comes_back_as_a_frame(run, tmp_path):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1, 2]})
    (tmp_path / "out").mkdir()
    frame.to_parquet(tmp_path / "out" / "00000")
    location = Location((tmp_path / "out").as_uri(), "dataset", "pandas.parquet", "pandas.DataFrame")
    log(run, "frame", frame, storage=location)
    assert use_value(run, "frame", "here", load=True).equals(frame)


def test_what_refers_to_its_files_keeps_them(registry, run, file):
    """Also where that is no path: a plug-in's value that is `in_place`."""

    class Mapped(Serializer):
        id, types, format, safe, in_place = "tests.mapped", ("mmap:mmap",), "mapped", True, True

        def read(self, source):
            return [source.path]

    register(Mapped)
    log(run, "rows", file, storage=Location(file.as_uri(), "other", "tests.mapped"))
    (back,) = use_value(run, "rows", "here", load=True)
    assert back.read_bytes() == file.read_bytes()


def test_limits_and_folders_that_are_given(wandb_env, file, tmp_path):
    with wandb.init(project="p", mode="offline") as run:
        log(run, "rows", file)
        folder = run_folder(run)
    with pytest.raises(TooLargeError, match="8 bytes"):
        load_artifact("rows", offline=folder.parent, max_size=7)
    back = load_artifact("rows", offline=folder.parent, directory=tmp_path / "to", max_size=8)
    assert back == tmp_path / "to" / file.name


def test_a_ledger_that_is_hostile(wandb_env, file, tmp_path):
    """It leads neither out of the folder nor to what is no store."""
    with wandb.init(project="p", mode="offline") as run:
        log(run, "rows", file)
        ledger = run_folder(run) / "wandb-track" / "lineage.jsonl"
    text = ledger.read_text()
    for old, new, error in (
        (f'"path": "{file.name}"', '"path": "../../x"', "no path within"),
        (file.as_uri(), "http://127.0.0.1:1/x", "is unsupported"),
        (file.as_uri(), "simplecache::file:///x", "is unsupported"),
        ('"size": 8', '"size": "8"', "there is no artifact"),
        (file.as_uri(), "file:///etc/passwd", "was changed"),
    ):
        assert old in text
        ledger.write_text(text.replace(old, new))
        with pytest.raises(LoadError, match=error):
            load_artifact("rows", offline=wandb_env)
