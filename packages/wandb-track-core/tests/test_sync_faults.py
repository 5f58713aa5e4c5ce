"""What is not whole, or not over: it is named, it stays, and it keeps nothing else from the server."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_track_core._ledger import LEDGER
from wandb_track_core.cli import main
from wandb_track_core.offline._finding import find_fragments as find
from wandb_track_core.offline._pack import pack
from wandb_track_testing.plugin import command_line, isolated_env, run_python
from wandb_track_testing.standin import StandIn

pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("sync_program.py")
PRODUCER, CONSUMER = ("acme", "p", "e1-produce-0"), ("acme", "p", "e1-consume-0")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A producer and a consumer; tests work on copies."""
    folder = tmp_path_factory.mktemp("offline")
    run_python(PROGRAM, isolated_env(folder), "produce()", "consume()")
    return folder / "wandb"


@pytest.fixture
def runs(written, tmp_path):
    """A copy of their folders."""
    return shutil.copytree(written, tmp_path / "runs", symlinks=True)


@pytest.fixture
def server():
    with StandIn() as server:
        yield server


def sync(server, home, *arguments, check=True):
    env = isolated_env(home, **{**server.env(), "WANDB_MODE": None, "WANDB_SILENT": None})
    return run_python(command_line, env, "sync", *map(str, arguments), check=check)


def edit(path, change):
    path.write_bytes(change(path.read_bytes()))


def test_a_run_that_still_writes_is_synced_as_far_as_it_is_and_again_when_it_is_over(server, tmp_path):
    """It is not deleted before, and all of it arrives once."""
    program = subprocess.Popen([sys.executable, PROGRAM, "live()"], env=isolated_env(tmp_path))
    try:
        while not any(run.artifacts and run.metrics.get("value") == 2 for run in find([tmp_path])):
            assert program.poll() is None
            time.sleep(0.1)
        first = sync(server, tmp_path, "--clean", tmp_path / "wandb")
        assert "p/e1-live-0 was never closed" in first.stderr
        assert "p/e1-live-0 was not deleted: it was never closed" in first.stderr
        assert server.run.values("value") == [0, 1, 2]
        (tmp_path / "go").touch()
        assert program.wait(timeout=100) == 0
    finally:
        program.kill()
    assert "1 synced, 0 there already" in sync(server, tmp_path, tmp_path / "wandb").stderr
    assert server.run.values("value") == [0, 1, 2, 3, 4, 5]
    assert server.run.state == "finished"
    assert [artifact.name for artifact in server.run.logged] == ["early:v0", "late:v0"]
    sync(server, tmp_path, "--clean", tmp_path / "wandb")
    assert not find([tmp_path / "wandb"])


def test_rows_that_the_server_refuses_are_not_reported_as_synced(server, runs, tmp_path):
    """Such as a proxy that limits the size of a request. Before, the run was reported as synced, and deleted here."""
    with server.fault(lambda request: request.path.endswith("file_stream"), 413):
        done = sync(server, tmp_path, "--clean", runs, check=False)
    assert done.returncode == 1
    assert "its rows and its end did not arrive whole" in done.stderr
    assert "0 synced, 0 there already, 2 not synced" in done.stderr
    assert "2 synced, 0 there already, 0 not synced" in sync(server, tmp_path, "--clean", runs).stderr
    assert server.runs[PRODUCER].values("loss") == [1, 1 / 2, 1 / 3]
    assert not find([runs])


def test_a_run_that_was_killed_is_synced_and_deleted_on_demand(server, runs, tmp_path):
    """Its log has no end: that it does not go on is for the user to say."""
    log = next(runs.glob("*produce*/*.wandb"))
    edit(log, lambda data: data[:-5])
    sync(server, tmp_path, "--clean", runs)
    assert [run.id for run in find([runs])] == ["e1-produce-0"]
    assert PRODUCER in server.runs
    assert "0 synced, 1 there already" in sync(server, tmp_path, "--clean-killed", runs).stderr
    assert not [*runs.glob("offline-run-*")]


def test_what_holds_no_run_is_named_and_keeps_no_run_from_the_server(server, runs, capsys, tmp_path):
    """A log that was cut off in its first record, a tar that was copied in half."""
    log = next(runs.glob("*produce*/*.wandb")).read_bytes()
    tar = pack(next(runs.glob("*consume*")), tmp_path / "whole.tar").read_bytes().rstrip(b"\0")  # it ends with padding
    for name, contents in {"nothing": b"", "header": log[:7], "begun": log[:300], "junk": b"junk" * 99}.items():
        (runs / f"offline-run-1-{name}").mkdir()
        (runs / f"offline-run-1-{name}" / f"run-{name}.wandb").write_bytes(contents)
    for name, size in {"half": len(tar) // 2, "start": 300, "empty": 0}.items():
        (runs / f"offline-run-1-{name}.tar").write_bytes(tar[:size])
    for counts in ("2 synced, 0 there already, 7 not synced", "0 synced, 2 there already, 7 not synced"):
        done = sync(server, tmp_path, runs, check=False)
        assert done.returncode == 1
        assert counts in done.stderr
        for name in ("nothing", "header", "begun"):
            assert f"offline-run-1-{name} cannot be synced: its log holds no run" in done.stderr
        assert "offline-run-1-junk cannot be synced: unknown format" in done.stderr
        for name in ("half", "start", "empty"):
            assert f"{name}.tar cannot be synced: it is no whole tar" in done.stderr
    assert server.runs.keys() == {PRODUCER, CONSUMER}
    assert main(["runs", str(runs)]) == main(["lineage", str(runs)]) == 0
    assert {line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:10]} == {"yes", "no"}


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("run-*.wandb", lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], "its log is damaged at byte"),
        ("run-*.wandb", lambda data: b"?" + data[1:], "unknown format, written by another version of wandb"),
        (LEDGER, lambda data: b'["x"]\n' + data, f"line 1 of {LEDGER} cannot be read"),
        (LEDGER, lambda data: data + b'{"format": 1, "edge": "input"}\n', f"line 2 of {LEDGER} cannot be read"),
        (LEDGER, lambda data: data.replace(b'"format": 1', b'"format": 9'), f"line 1 of {LEDGER} cannot be read"),
        (LEDGER, lambda data: data.replace(b'"name": "data"', b'"name": "lost"'), "artifact lost is not in its log"),
    ],
)
def test_a_damaged_run_is_named_and_not_taken_for_a_shorter_one(runs, capsys, file, change, said):
    """One byte that changed, a line that says nothing, an artifact of which the log knows nothing."""
    edit(next(runs.glob(f"*produce*/{file}")), change)
    assert main(["sync", "--dry-run", str(runs)]) == 1
    assert said in capsys.readouterr().err


def test_a_damaged_run_is_neither_synced_nor_deleted(server, runs, tmp_path):
    """With --partial, the others are."""
    edit(next(runs.glob("*produce*/*.wandb")), lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])
    for arguments, there in ((["--clean"], set()), (["--clean", "--partial"], {CONSUMER})):
        done = sync(server, tmp_path, *arguments, runs, check=False)
        assert done.returncode == 1
        assert "its log is damaged at byte" in done.stderr
        assert server.runs.keys() == there
    assert next(runs.glob("*produce*")).is_dir()


def test_half_a_line_that_a_killed_process_left_is_passed_over(server, runs, tmp_path):
    """The ledger's other lines count."""
    edit(next(runs.glob(f"*consume*/{LEDGER}")), lambda data: data + b'{"format": 1, "ed')
    sync(server, tmp_path, runs)
    assert [use.artifact.name for use in server.runs[CONSUMER].used] == ["data:v0"]


def test_what_a_killed_process_had_not_written_down_is_said_and_the_rest_is_synced(server, runs, tmp_path):
    """There is nowhere to bring it back from."""
    edit(next(runs.glob("*produce*/*.wandb")), lambda data: data[:-5])
    edit(next(runs.glob(f"*produce*/{LEDGER}")), lambda data: data + data.replace(b'"name": "data"', b'"name": "lost"'))
    done = sync(server, tmp_path, runs)
    assert "lost artifacts, because a process was killed before they were in the log:\n    lost\n" in done.stderr
    assert [artifact.name for artifact in server.runs[PRODUCER].logged] == ["data:v0"]


def test_a_name_that_artifacts_of_two_types_share_keeps_nothing_from_the_server(server, tmp_path):
    """The later type is stored beside it, what used it is linked, and a second sync has nothing to do."""
    run_python(PROGRAM, isolated_env(tmp_path), "produce()", "retype()", "use('data', 'key-array', 'array')")
    runs = tmp_path / "wandb"
    done = sync(server, tmp_path, runs)
    assert "data of type array: its name is that of a dataset, so it is data.array there" in done.stderr
    assert "3 synced, 0 there already, 0 not synced" in done.stderr
    logged = {artifact.name for run in server.runs.values() for artifact in run.logged}
    assert logged == {"data:v0", "data.array:v0"}
    assert [used.artifact.name for run in server.runs.values() for used in run.used] == ["data.array:v0"]
    assert "0 synced, 3 there already, 0 not synced" in sync(server, tmp_path, runs).stderr
