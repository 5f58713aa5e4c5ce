"""Files and folders: copied as they are, and refused where they cannot be."""

import os
import shutil
import socket
from pathlib import Path

import pytest
from wandb_track_serializers import UnsupportedValueError, dump, load


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "one.txt").write_text("1")
    (root / "a" / "two.txt").write_text("2")
    return root


def refused(value, tmp_path, match):
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UnsupportedValueError, match=match) as caught:
        dump(value, tmp_path / "out", "data")
    assert "'data' (pathlib." in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    return caught.value


def test_links_within_a_folder_are_followed(tree, tmp_path):
    """A link to a file or folder within the folder becomes a copy of what it points to."""
    (tree / "file").symlink_to("a/two.txt")
    (tree / "folder").symlink_to(tree / "a")
    manifest = dump(tree, tmp_path / "out")
    assert [entry.path for entry in manifest.files] == ["a/two.txt", "file", "folder/two.txt", "one.txt"]
    back = load(tmp_path / "out")
    assert (back / "folder" / "two.txt").read_text() == (back / "file").read_text() == "2"
    assert not any(path.is_symlink() for path in back.rglob("*"))
    assert (back / "a" / "b").is_dir()


def test_empty_folders_come_back_from_an_artifact(tree, tmp_path):
    """Folders that hold nothing are in the manifest, as an artifact cannot hold them."""
    manifest = dump(tree, tmp_path / "out")
    (tmp_path / "out" / "files" / "a" / "b").rmdir()
    assert manifest.details["empty"] == ["a/b"]
    assert (load(tmp_path / "out") / "a" / "b").is_dir()


def test_a_link_to_the_whole_is_followed(tree, tmp_path):
    """A path that is itself a link is taken as what it points to, under its own name."""
    (tmp_path / "link").symlink_to(tree)
    (tmp_path / "data.txt").symlink_to(tree / "one.txt")
    assert len(dump(tmp_path / "link", tmp_path / "out").files) == 2
    assert dump(tmp_path / "data.txt", tmp_path / "single").files[0].path == "data.txt"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", ".."])
def test_links_out_of_the_folder_are_refused(target, tree, tmp_path):
    """A link that leaves the folder is an error that names it and its target."""
    (tmp_path / "outside").write_text("secret")
    (tree / "a" / "link").symlink_to(tmp_path / "outside" if target == "../outside" else target)
    if target == "..":
        error = refused(tree, tmp_path, "link to a folder that it is in")
    else:
        error = refused(tree, tmp_path, "link out of the folder")
    assert error.part == repr(str(tree / "a" / "link"))


def test_links_to_nothing_and_to_themselves(tree, tmp_path):
    """A link to what does not exist, and one in a circle, are refused."""
    (tree / "link").symlink_to("gone")
    refused(tree, tmp_path, "No such file or directory")
    (tree / "link").unlink()
    (tree / "link").symlink_to("link")
    refused(tree, tmp_path, "Too many levels of symbolic links")
    refused(tree / "link", tmp_path, "Too many levels of symbolic links")


def test_what_is_no_file(tree, tmp_path):
    """Missing paths, sockets, pipes and devices are refused, none of them waited for."""
    refused(tmp_path / "missing", tmp_path, "No such file or directory")
    refused(Path("/dev/null"), tmp_path, "it is no file|No such device")
    os.mkfifo(tree / "pipe")
    refused(tree, tmp_path, "it is no file|No such device")
    (tree / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(tree, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{folder}/s")  # a socket's own path is limited to about 100 characters
        os.close(folder)
    refused(tree, tmp_path, "it is no file|No such device")


def test_names_that_no_artifact_can_hold(tree, tmp_path):
    """A name that is not UTF-8, or that another system would take for a folder, is refused."""
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).write_text("")
    refused(tree, tmp_path, "rename it")
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).unlink()
    (tree / "a\\b").write_text("")
    refused(tree, tmp_path, "rename it")
    (tree / "a\\b").unlink()
    (tree / "a:b").write_text("")
    refused(tree, tmp_path, "begin like a drive, 'a:': rename it")


def test_the_original_may_change_afterwards(tree, tmp_path):
    """What happens to the original after it was written makes no difference."""
    dump(tree, tmp_path / "out")
    (tree / "one.txt").write_text("changed")
    (tree / "a" / "two.txt").unlink()
    back = load(tmp_path / "out")
    assert (back / "one.txt").read_text() == "1"
    assert (back / "a" / "two.txt").read_text() == "2"


def test_a_file_that_changes_while_it_is_copied(tree, tmp_path, monkeypatch):
    """A file that is written to during the copy is an error: it would be neither the old nor the new one."""
    original = shutil.copyfile

    def slow(source, path):
        original(source, path)
        with open(source, "a") as file:
            file.write("more")

    monkeypatch.setattr(shutil, "copyfile", slow)
    refused(tree, tmp_path, "changed while it was copied")


def test_a_folder_around_its_own_copy(tree):
    """A folder is not copied into itself, which would not end."""
    with pytest.raises(UnsupportedValueError, match="holds the folder that it is to be copied to"):
        dump(tree, tree / "a" / "copy")
    assert sorted(path.name for path in (tree / "a").iterdir()) == ["b", "two.txt"]


def test_a_folder_that_holds_nothing(tmp_path):
    """An empty folder, and one that holds a single file further down, come back as folders."""
    (tmp_path / "empty").mkdir()
    dump(tmp_path / "empty", tmp_path / "a")
    assert list(load(tmp_path / "a").iterdir()) == []
    (tmp_path / "a" / "files").rmdir()  # as archives do, which hold files alone
    assert list(load(tmp_path / "a").iterdir()) == []
    (tmp_path / "plain" / "deep").mkdir(parents=True)
    (tmp_path / "plain" / "deep" / "a.npy").write_text("a")
    assert load(tmp_path / "plain") == tmp_path / "plain"


def test_a_path_is_measured_before_it_is_copied(tree, tmp_path, monkeypatch):
    """A file over `max_size` is refused before any of it is copied."""
    from wandb_track_serializers import TooLargeError

    monkeypatch.setattr(shutil, "copyfile", lambda *_: pytest.fail("copied"))
    (tree / "0").write_bytes(b"x" * 1_000)
    with pytest.raises(TooLargeError):
        dump(tree, tmp_path / "out", max_size=999)


class MyPath(type(Path())):
    pass


def test_a_path_subclass_is_a_path(tree, tmp_path):
    """A subclass of Path is written as the file it names, and comes back as a Path."""
    manifest = dump(MyPath(tree / "one.txt"), tmp_path / "out")
    assert (manifest.serializer, manifest.kind) == ("pathlib.files", "dataset")
    assert load(tmp_path / "out").read_text() == "1"


def test_a_relative_path(tree, tmp_path, monkeypatch):
    """A relative path, and the working folder itself, are taken from where the process stands."""
    monkeypatch.chdir(tree)
    assert dump(Path("one.txt"), tmp_path / "a").files[0].path == "one.txt"
    assert len(dump(Path(), tmp_path / "b").files) == 2
