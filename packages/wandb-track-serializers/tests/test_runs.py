"""Values by run and name on the disk: run folders and tars that somebody else may have written."""

import gzip
import io
import json
import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

wandb = pytest.importorskip("wandb")
pytest.importorskip("wandb_track_testing")
from wandb_track_serializers import (  # noqa: E402 (needs wandb)
    IntegrityError,
    LoadError,
    SerializerError,
    TooLargeError,
    load_artifact,
    log_value,
)
from wandb_track_serializers._runs import _unpack  # noqa: E402


@pytest.fixture
def made(wandb_env):
    """The folder of an offline run that logged a file and a dict."""
    (wandb_env / "notes.txt").write_text("x" * 10_000)
    with wandb.init(project="p", mode="offline") as run:
        log_value(run, "notes", wandb_env / "notes.txt")
        assert log_value(run, "score", {"a": 1}) is None
        return Path(run.dir).parent


def packed(folder: Path, to: Path, mode: str = "w", extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(to, mode) as tar:
        tar.add(folder, folder.name)
        for member in extra:
            tar.addfile(member, io.BytesIO(bytes(member.size)) if member.size else None)
    shutil.rmtree(folder)
    return to


def test_from_a_folder_and_from_a_tar(made, tmp_path):
    assert load_artifact("notes", offline=made.parent).read_text() == "x" * 10_000
    tar = packed(made, tmp_path / "run.tar")
    assert load_artifact("notes", offline=tar.parent).read_text() == "x" * 10_000
    with pytest.raises(TooLargeError, match="over the limit of 9,999"):
        load_artifact("notes", offline=tar.parent, max_size=9_999)
    with pytest.raises(LoadError, match="there is no artifact other"):
        load_artifact("other", offline=tar.parent)


def test_nothing_is_left_of_what_cannot_be_stored(wandb_env):
    with wandb.init(project="p", mode="offline") as run:
        cannot = {"aliases": lambda artifact: 1 / 0}
        for value, options in ((Path("x"), {}), (1j, {"max_size": 1}), (1j, {"format": "x"}), (1j, cannot)):
            with pytest.raises((SerializerError, FileNotFoundError, ValueError, ZeroDivisionError)):
                log_value(run, "notes", value, **options)
        (wandb_env / "notes.txt").write_text("")
        log_value(run, "notes", wandb_env / "notes.txt")
        folder = Path(run.dir).parent / "wandb-track" / "artifacts"
        assert [each.name for each in folder.iterdir()] == ["notes"]


def test_a_run_in_a_tar_that_was_cut_is_named(made, tmp_path):
    """The ledger, which says what the run made, is the last in it."""
    tar = packed(made, tmp_path / "run.tar")
    os.truncate(tar, tar.stat().st_size // 2)
    with pytest.raises(LoadError, match=r"no artifact notes.*run\.tar"):
        load_artifact("notes", offline=tar)


@pytest.mark.parametrize("name", ["notes.txt/x", "x" * 300])
def test_a_tar_that_cannot_be_unpacked(made, tmp_path, name):
    """A member in a folder that is a file, or with a name that no disk takes."""
    folder = next((made / "wandb-track" / "artifacts").rglob("notes.txt")).parent.relative_to(made.parent)
    tar = packed(made, tmp_path / "run.tar", extra=(tarfile.TarInfo(f"{folder}/{name}"),))
    with pytest.raises(LoadError, match=r"run\.tar"):
        load_artifact("notes", offline=tar)


def test_the_latest_is_that_of_a_run_whose_log_is_not_on_the_disk_yet(made, wandb_env):
    """The client's service writes a log a moment after a run was closed."""
    (wandb_env / "notes.txt").write_text("later")
    with wandb.init(project="p", mode="offline") as run:
        log_value(run, "notes", wandb_env / "notes.txt")
        log = next(Path(run.dir).parent.glob("*.wandb"))
    wandb.teardown()
    os.truncate(log, 7)
    assert load_artifact("notes", offline=made.parent).read_text() == "later"


@pytest.mark.parametrize("path", ["../../../secret", "/etc", "wandb-track/../../../secret", "", "a\\b"])
def test_a_ledger_that_leads_out_of_its_run(made, tmp_path, path):
    """Neither from a folder nor from a tar is a file read that is not the run's own."""
    (tmp_path / "secret" / "files").mkdir(parents=True)
    (tmp_path / "secret" / "files" / "a.txt").write_text("secret")
    ledger = made / "wandb-track" / "lineage.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    ledger.write_text("".join(json.dumps({**line, "folder": path}) + "\n" for line in lines))
    with pytest.raises(LoadError):
        load_artifact("notes", offline=made.parent)
    tar = packed(made, tmp_path / "tars.tar")
    with pytest.raises(LoadError):
        load_artifact("notes", offline=tar)


def test_a_folder_that_is_a_link(made, tmp_path):
    """A link in the place of an artifact's folder, or around it, is not followed."""
    home = made / "wandb-track" / "artifacts"
    home.rename(tmp_path / "elsewhere")
    home.symlink_to(tmp_path / "elsewhere")
    for more in ({}, {"directory": tmp_path / "to"}):
        with pytest.raises(IntegrityError, match="is a link"):
            load_artifact("notes", offline=made.parent, **more)
    assert not (tmp_path / "to").exists() or not list((tmp_path / "to").iterdir())


INSIDE = "run/wandb-track/artifacts/x"


def member(name, kind=tarfile.REGTYPE, size=0, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, target
    return made


HOSTILE = {
    "a link": [member(f"{INSIDE}/files", tarfile.SYMTYPE, target="/etc")],
    "a hard link": [member(f"{INSIDE}/a", tarfile.LNKTYPE, target="/etc/passwd")],
    "a device": [member(f"{INSIDE}/a", tarfile.CHRTYPE)],
    "a pipe": [member(f"{INSIDE}/a", tarfile.FIFOTYPE)],
    "a way out": [member(f"{INSIDE}/../../../../out", size=3)],
    "a way out by a folder": [member(f"{INSIDE}/..", tarfile.DIRTYPE), member(f"{INSIDE}/../../out", size=3)],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tar(case, tmp_path):
    """What is no plain file within the artifact's folder is refused, the tar is named, and nothing is left outside."""
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for one in HOSTILE[case]:
            tar.addfile(one, io.BytesIO(bytes(one.size)))
    (tmp_path / "to").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with suppress(LoadError):  # a path that leads out is none of the artifact's, and passed over
        _unpack(tmp_path / "bad.tar", "wandb-track/artifacts/x", tmp_path / "to", None)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tar_that_unpacks_to_more_than_it_is(tmp_path):
    """A compressed tar is no run's, and one with holes is refused by what it would unpack to: nothing is written."""
    inside = "wandb-track/artifacts/x"
    with tarfile.open(tmp_path / "big.tar.gz", "w:gz") as tar:
        tar.addfile(member(f"{INSIDE}/a", size=50_000_000), io.BytesIO(bytes(50_000_000)))
    shutil.copyfile(tmp_path / "big.tar.gz", tmp_path / "big.tar")
    with pytest.raises(LoadError, match=r"big\.tar is no whole, plain tar"):
        _unpack(tmp_path / "big.tar", inside, tmp_path / "to", 10_000_000)
    (tmp_path / "plain.tar").write_bytes(gzip.decompress((tmp_path / "big.tar").read_bytes()))
    with pytest.raises(TooLargeError, match=r"'plain\.tar' takes 50,000,000 bytes"):
        _unpack(tmp_path / "plain.tar", inside, tmp_path / "to", 10_000_000)
    holes = member(f"{INSIDE}/a")
    holes.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    holes.size = 512
    with tarfile.open(tmp_path / "holes.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(holes, io.BytesIO(b"0\n".ljust(512, b"\0")))
    with pytest.raises(SerializerError, match=r"holes\.tar"):
        _unpack(tmp_path / "holes.tar", inside, tmp_path / "to", 10_000_000)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("cut", [0, 100, 512, 700, 1_500, -1])
def test_a_cut_tar(cut, tmp_path):
    """A tar that was cut off, or is none, is an error that names it."""
    with tarfile.open(tmp_path / "cut.tar", "w") as tar:
        tar.addfile(member(f"{INSIDE}/a", size=1_000), io.BytesIO(os.urandom(1_000)))
        tar.addfile(member(f"{INSIDE}/b", size=1_000), io.BytesIO(os.urandom(1_000)))
    data = (tmp_path / "cut.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[:cut] if cut >= 0 else os.urandom(2_000))
    with pytest.raises(LoadError, match=r"cut\.tar is no whole, plain tar"):
        _unpack(tmp_path / "cut.tar", "wandb-track/artifacts/x", tmp_path / "to", None)
