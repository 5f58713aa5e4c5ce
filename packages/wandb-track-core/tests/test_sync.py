import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_track_core.offline._curves import read_rows
from wandb_track_core.offline._finding import find_fragments as find
from wandb_track_core.offline._pack import pack, store
from wandb_track_core.offline._runs import group
from wandb_track_core.offline._sync._rewrite import FROM_THE_BEGINNING, Continuation, Remote, continuation
from wandb_track_testing.plugin import command_line, isolated_env, run_python
from wandb_track_testing.standin import StandIn

pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("sync_program.py")
COMMAND = [sys.executable, "-c", command_line]


def state_of(server):
    """What a server holds, without the ids that the client makes up for the artifacts of tables.

    The client writes what it knows of the machine a moment after a run has begun: a short run may end before that.
    """
    state = server.snapshot(rename=lambda text: re.sub("wandb-client-artifact://[^:/]+", "", text))
    for run in state["runs"].values():
        run["files"].pop("wandb-metadata.json", None)
    return state


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    """The server's state after the program ran online."""
    with StandIn() as server:
        run_python(PROGRAM, isolated_env(tmp_path_factory.mktemp("online"), **server.env()), "everything()")
        yield state_of(server)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder in which the program ran offline; tests work on copies, the staging area apart."""
    folder = tmp_path_factory.mktemp("offline") / "work"
    folder.mkdir()
    run_python(PROGRAM, isolated_env(folder), "everything()")
    return folder


@pytest.fixture
def server():
    with StandIn() as server:
        yield server


def environment(folder, server):
    return isolated_env(folder, **{**server.env(), "WANDB_MODE": None, "WANDB_SILENT": None})


def sync(server, home, *arguments, check=True):
    done = subprocess.run(
        [*COMMAND, "sync", *map(str, arguments)],
        env=environment(home, server),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def copied(written, target):
    """The runs' folders at another place; the first one's files lie elsewhere now, too."""
    shutil.copytree(written / "wandb", target, symlinks=True)
    return target


def test_offline_and_synced_the_server_holds_what_it_holds_online(written, online, server, tmp_path):
    """Runs, configs, histories, summaries, files, artifacts with versions and aliases, and edges; nothing twice."""
    runs = copied(written, tmp_path / "runs")
    first = sync(server, tmp_path, runs)
    assert "synced: p/e1-produce-0, p/e1-own-0, p/e1-fail-0, p/e1-resume" in first.stderr.replace("acme/", "")
    assert "7 synced, 0 there already, 0 not synced" in first.stderr
    assert state_of(server) == online
    assert {run.state for run in server.runs.values()} == {"finished", "failed"}

    requests = len([request for request in server.requests if request.phase != "read"])
    again = sync(server, tmp_path, runs)
    assert "0 synced, 7 there already, 0 not synced" in again.stderr
    assert not [request for request in server.requests if request.phase in ("opening", "upload")][requests:]
    assert state_of(server) == online
    assert all(list(run.place.glob("*.wandb.synced")) for run in find([runs]))


def test_a_packed_run_needs_neither_its_folder_nor_the_staging_area(online, server, tmp_path):
    """Moved, packed, unpacked elsewhere: the server holds the same."""
    env = isolated_env(tmp_path / "elsewhere")
    run_python(PROGRAM, env, "everything()")
    source, target = tmp_path / "elsewhere", tmp_path / "packed" / "deep"
    target.mkdir(parents=True)
    for number, run in enumerate(find([source / "wandb"])):
        address = store(run.place, lambda tar: str(shutil.copy(tar, target)))
        assert Path(address).parent == target
        if number % 2:
            shutil.unpack_archive(address, target / "unpacked", filter="data")
            Path(address).unlink()
    shutil.rmtree(source)
    sync(server, tmp_path, tmp_path / "packed")
    assert state_of(server) == online
    again = sync(server, tmp_path, tmp_path / "packed", "--clean")
    assert "7 there already" in again.stderr
    assert not find([tmp_path / "packed"])


def test_a_folder_that_is_moved_needs_no_other_place_of_the_machine(written, online, server, tmp_path):
    """Nor what the user logged, saved or wrote to a table himself: the server holds the same."""
    runs = copied(written, tmp_path / "runs")
    away = written.rename(written.with_name("away"))
    try:
        sync(server, tmp_path, runs)
    finally:
        away.rename(written)
    assert state_of(server) == online


def test_a_missing_file_is_named_and_nothing_is_synced(written, server, tmp_path):
    """Nor is anything marked as synced; --partial syncs the others."""
    runs = copied(written, tmp_path / "runs")
    lost = next(runs.glob("*e1-produce*/wandb-track/artifacts/data/data.txt"))
    kept = lost.rename(tmp_path / "kept.txt")
    shutil.move(written / "wandb", written / "away")
    try:
        for arguments in ([], ["--dry-run"]):
            done = sync(server, tmp_path, runs, *arguments, check=False)
            assert done.returncode == 1
            assert "p/e1-produce-0 is not whole" in done.stderr
            assert "artifact data: data.txt" in done.stderr
        assert not server.runs
        assert not [*runs.rglob("*.synced"), *runs.rglob("synced.json")]

        done = sync(server, tmp_path, runs, "--partial", check=False)
        assert done.returncode == 1
        assert "its input acme/p/data:key-hello is not on the server" in done.stderr
        assert ("acme", "p", "e1-own-0") in server.runs
        assert ("acme", "p", "e1-produce-0") not in server.runs

        kept.rename(lost)
        assert "2 synced, 5 there already" in sync(server, tmp_path, runs).stderr
        assert [use.artifact.name for use in server.runs["acme", "p", "e1-consume-0"].used] == ["data:v1"]
    finally:
        shutil.move(written / "away", written / "wandb")


def test_what_would_be_synced_is_said_producers_first(written, server, tmp_path):
    """A dry run names each run in the order of its sync, and needs no server."""
    done = sync(server, tmp_path, written / "wandb", "--dry-run")
    lines = [line.split() for line in done.stdout.splitlines()]
    level = {path: int(number) for number, path in lines}
    assert len(level) == 7
    assert level["p/e1-produce-0"] < level["p/e1-consume-0"]
    assert level["p/e1-produce-0"] < level["p/e2-produce-0"] < level["p/e2-consume-0"]
    assert not server.requests


def test_a_sync_that_is_killed_again_and_again_ends_whole(written, online, server, tmp_path):
    """Killed at 20 random points, then run to its end: the same state, nothing twice."""
    runs = copied(written, tmp_path / "runs")
    chance = random.Random(4)
    for number in range(20):
        seen = len(server.requests)
        child = subprocess.Popen(
            [*COMMAND, "sync", str(runs)],
            env=environment(tmp_path, server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        point = seen + chance.randint(5, 60)
        while child.poll() is None and len(server.requests) < point:
            time.sleep(0.002)
        # Every other time what it has started lives on, as where the user kills the one process.
        kill = os.killpg if number % 2 else os.kill
        if child.poll() is None:
            kill(child.pid, signal.SIGKILL)
        child.wait()
    sync(server, tmp_path, runs)
    assert state_of(server) == online


def test_a_sync_that_is_interrupted_says_so_in_a_line(written, server, tmp_path):
    """Ctrl-C, which reaches all processes of the terminal; the next sync is whole."""
    runs = copied(written, tmp_path / "runs")
    command = [*COMMAND, "sync", str(runs)]
    options = {"env": environment(tmp_path, server), "stderr": subprocess.PIPE, "text": True, "start_new_session": True}

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in a shell's background ignores it

    with subprocess.Popen(command, preexec_fn=heed, **options) as child:
        while len(server.requests) < 20:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGINT)
        assert child.communicate()[1] == "wandb-track: interrupted: the next sync goes on from here\n"
    assert child.returncode == 130
    assert "0 not synced" in sync(server, tmp_path, runs).stderr


def test_two_syncs_at_once_do_it_once(written, online, server, tmp_path):
    """Both end well, even if each deletes what is synced, and the server holds everything once."""
    runs = copied(written, tmp_path / "runs")
    command = [*COMMAND, "sync", "--clean", str(runs)]
    both = [subprocess.Popen(command, env=environment(tmp_path, server), stderr=subprocess.PIPE) for _ in range(2)]
    said = [child.communicate(timeout=300)[1].decode() for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert state_of(server) == online
    assert not [*runs.glob("offline-run-*")]


def test_a_folder_under_two_names_is_locked_once(written, server, tmp_path):
    runs = copied(written, tmp_path / "runs")
    (tmp_path / "link").symlink_to(runs)
    one, other = sorted(path.name for path in runs.glob("offline-run-*-produce-0"))
    assert "2 synced" in sync(server, tmp_path, runs / one, tmp_path / "link" / other).stderr


def test_runs_that_another_sync_has_deleted_meanwhile_are_named_and_no_fault(written, server, tmp_path):
    runs = copied(written, tmp_path / "runs")
    code = f"""
from wandb_track_core.offline import find_runs, sync
found = find_runs({str(runs)!r})
sync(found[:1], clean=True)
report = sync(found)
assert report.is_good and len(report.synced) == len(found) - 1, report
"""
    said = run_python(code, environment(tmp_path, server))
    assert "no longer there, so another sync has probably brought it to the server and deleted it" in said.stderr


def test_a_folder_that_cannot_be_written_to_is_said(written, server, tmp_path):
    """Nothing is uploaded from there: it could not be noted that it was."""
    runs = copied(written, tmp_path / "runs")
    for folder in {log.parents[1] for log in runs.rglob("*.wandb")}:
        (folder / ".wandb-track-sync.lock").mkdir()  # stands for a disk that is mounted to be read
    done = sync(server, tmp_path, runs, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(", which holds runs, cannot be written to: Is a directory\n")
    assert not server.runs


def test_contents_that_the_server_has_of_another_run_are_there(server, tmp_path):
    """The server gives a version to whoever logged it first, so that the second run seems to have made nothing."""
    code = """
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import artifact_folder, log_artifact
import sys, wandb
for number in range(2):
    with TrackedRun(TaskIdentity("chain", "t", key=(f"e{number}", "n0")), project="p") as run:
        folder = artifact_folder(run, "same")
        (folder / "same.txt").write_text("the same")
        artifact = wandb.Artifact("same", "dataset")
        artifact.add_file(str(folder / "same.txt"), skip_cache=True, policy="immutable")
        log_artifact(run, artifact, (), folder)
"""
    run_python(code, isolated_env(tmp_path))
    done = sync(server, tmp_path, tmp_path / "wandb")
    assert "2 synced, 0 there already, 0 not synced" in done.stderr
    assert "2 there already" in sync(server, tmp_path, tmp_path / "wandb").stderr
    (version,) = server.collections["acme", "p", "same"].versions
    assert version.missing == []


def test_an_offline_attempt_continues_the_run_of_an_online_one(server, tmp_path):
    """As it would have been online: steps go on, earlier rows stay, each row is there once, even if synced twice."""
    run_python(PROGRAM, isolated_env(tmp_path, **server.env()), "resume(0)")
    run_python(PROGRAM, isolated_env(tmp_path), "resume(1)")
    offline = next((tmp_path / "wandb").glob("offline-run-*"))
    for _ in range(2):
        sync(server, tmp_path, offline)
        assert server.run.values("value") == [0, 1, 2, 10, 11, 12]
        assert server.run.values("_step") == [0, 1, 2, 3, 4, 5]
        (offline / "wandb-track" / "synced.json").unlink()


def test_the_folder_of_an_online_run_can_be_synced_too(server, tmp_path):
    """Where its end did not reach the server. Its artifacts are not in its log, as they went there at once."""
    run_python(PROGRAM, isolated_env(tmp_path, **server.env()), "produce()")
    before = state_of(server)
    sync(server, tmp_path, next((tmp_path / "wandb").glob("run-*")))
    assert state_of(server) == before


def test_a_sync_needs_no_extra(server, tmp_path):
    """The line of a run that was kept offline names this command, whatever is installed."""
    run_python(PROGRAM, isolated_env(tmp_path), "produce()")
    command = [sys.executable, "-c", f"import sys; sys.modules['rich'] = None; {command_line}", "sync"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path, server), capture_output=True, text=True)
    assert "1 synced, 0 there already, 0 not synced" in done.stderr


@pytest.mark.parametrize(
    ("resume", "others", "is_own", "is_resumed"),
    [
        (False, (), False, False),
        (True, (), False, True),
        (False, (1.0,), False, False),
        (True, (1.0,), False, True),
        (False, (), True, False),
        (True, (), True, False),
        (True, (1.0,), True, True),
    ],
)
def test_how_a_run_goes_on_follows_from_the_rows_that_are_there(written, resume, others, is_own, is_resumed):
    """A run that resumes keeps rows that are not its own; where there are only its own, a sync was cut off."""
    unit = group(find([written]))[0]
    unit.fragments[0].record.resume = resume
    rows = frozenset([*others, *([next(unit.history(["_timestamp"]))["_timestamp"]] if is_own else ())])
    assert continuation(unit, Remote(min(rows, default=None), rows)) == Continuation(is_resumed, rows)
    assert continuation(unit, None) == FROM_THE_BEGINNING


def test_turns_online_and_offline_follow_each_other(server, tmp_path):
    """In one folder, synced after each. Before, rows of the last turn had the steps of the one before."""
    for attempt, is_online in enumerate((False, True, False, False, True, False)):
        run_python(PROGRAM, isolated_env(tmp_path, **server.env() if is_online else {}), f"resume({attempt})")
        if not is_online:
            sync(server, tmp_path, tmp_path / "wandb")
    assert server.run.values("value") == [10 * attempt + step for attempt in range(6) for step in range(3)]
    assert server.run.values("_step") == [*range(18)]


def test_a_server_that_begins_runs_anew_gets_all_rows(written, server, tmp_path):
    """Where opening a run drops its rows, a second try does not trust that they are there."""
    runs = copied(written, tmp_path / "runs")
    folder = next(runs.glob("*e1-produce*"))
    sync(server, tmp_path, folder)
    whole = server.run.history[:]
    (folder / "wandb-track" / "synced.json").unlink()
    opened = server.run.open

    def drop_and_open():
        server.run.history.clear()
        opened()

    server.run.open = drop_and_open
    sync(server, tmp_path, folder)
    assert server.run.history == whole


def test_a_run_without_a_project_gets_the_one_that_is_given(server, tmp_path):
    """--project and --entity name the place of runs that name none, and of their artifacts and inputs."""
    run_python(PROGRAM, isolated_env(tmp_path), "produce(project=None)", "consume(project=None)")
    sync(server, tmp_path, "--project", "q", "--entity", "team", tmp_path / "wandb")
    assert {key[:2] for key in (*server.runs, *server.collections)} == {("team", "q")}
    assert [use.artifact.name for use in server.runs["team", "q", "e1-consume-0"].used] == ["data:v0"]


def test_an_input_that_nobody_brings_is_said_and_linked_once_it_is_there(server, tmp_path):
    """Its task may not have been tracked, which is no fault; or its run lies elsewhere, and comes later."""
    run_python(PROGRAM, isolated_env(tmp_path), "consume()", "produce()")
    consumer, producer = (next(tmp_path.rglob(f"offline-run-*-e1-{task}-0")) for task in ("consume", "produce"))
    first = sync(server, tmp_path, consumer)
    assert "used what the server does not know" in first.stderr
    assert "acme/p/data:key-hello" in first.stderr
    sync(server, tmp_path, producer)
    assert "0 synced, 1 there already, 0 not synced" in sync(server, tmp_path, consumer).stderr
    assert [use.artifact.name for use in server.runs["acme", "p", "e1-consume-0"].used] == ["data:v0"]


@pytest.mark.parametrize("named", ["folder", "log", ".", "link", "tar"])
def test_the_last_part_of_a_run_that_was_continued_brings_the_others_along(
    written, server, tmp_path, monkeypatch, named
):
    """A report names this one alone. Before, the earlier rows were lost, and the sync reported success."""
    runs = copied(written, tmp_path / "runs")
    parts = sorted(runs.rglob("offline-run-*-e1-resume*"))
    assert len(parts) > 1
    last = parts[-1]
    if named == "log":
        last = next(last.glob("*.wandb"))
    elif named == "link":
        last = tmp_path / "latest-run"
        last.symlink_to(parts[-1])
    elif named == "tar":
        last = [pack(part) for part in parts][-1]
        for part in parts:
            shutil.rmtree(part)
    elif named == ".":
        monkeypatch.chdir(last)
        last = Path()
    sync(server, tmp_path, last)
    assert server.runs["acme", "p", "e1-resume"].values("value") == [0, 1, 2, 10, 11, 12]
    first = parts[0].with_name(f"{parts[0].name}.tar") if named == "tar" else parts[0]
    assert "0 synced, 1 there already, 0 not synced" in sync(server, tmp_path, first).stderr


def test_parts_of_a_run_that_lie_apart_are_synced_in_any_order_without_loss(server, tmp_path):
    """Each from a machine of its own, the last one first. Before, the sync of an earlier one brought no row of it."""
    for attempt in range(3):
        run_python(PROGRAM, isolated_env(tmp_path), f"resume({attempt})")
    parts = sorted((tmp_path / "wandb").glob("offline-run-*"))
    for number, part in enumerate(parts):
        (tmp_path / str(number)).mkdir()
        part.rename(tmp_path / str(number) / part.name)
    for number in (2, 0, 1, 0):
        sync(server, tmp_path, tmp_path / str(number))
        next((tmp_path / str(number)).rglob("synced.json")).unlink()
    assert sorted(server.run.values("value")) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert server.run.values("_step") == [*range(9)]


def test_steps_that_the_user_gave_are_kept_where_a_run_was_continued(server, tmp_path):
    """As online, and as in the client's own sync. Before, they were added to those of the part before."""
    code = """
import sys, wandb
with wandb.init(project="p", id="x", resume="allow") as run:
    for step in map(int, sys.argv[1:]):
        run.log({"value": step}, step=step)
"""
    for steps in ("012", "345", "789"):
        run_python(code, isolated_env(tmp_path), *steps)
    (run,) = group(find([tmp_path / "wandb"]))
    assert [row["_step"] for row in run.history()] == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert [x for x, _ in read_rows(run).curves()["value"].drawn()] == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    sync(server, tmp_path, tmp_path / "wandb")
    assert server.run.values("_step") == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert server.run.summary["_step"] == 9


def test_a_sync_to_another_project_is_one(server, tmp_path):
    """Before, the run counted as there already, where it was not."""
    run_python("import wandb; wandb.init(id='x').finish()", isolated_env(tmp_path))
    for project in ("q", "r"):
        assert "1 synced" in sync(server, tmp_path, "--project", project, tmp_path / "wandb").stderr
    assert {key[1] for key in server.runs} == {"q", "r"}
    assert "1 there already" in sync(server, tmp_path, tmp_path / "wandb").stderr


def test_a_log_that_is_not_on_this_machine_is_said(server, tmp_path):
    """Such as a link of git-annex. The other runs are synced."""
    run_python(PROGRAM, isolated_env(tmp_path), "produce()")
    absent = tmp_path / "wandb" / "offline-run-1-absent"
    absent.mkdir()
    (absent / "run-absent.wandb").symlink_to(tmp_path / "nowhere")
    done = sync(server, tmp_path, tmp_path / "wandb", check=False)
    assert done.returncode == 1
    assert "cannot be synced: its log cannot be read: No such file or directory" in done.stderr
    assert "1 synced, 0 there already, 1 not synced" in done.stderr


def test_a_server_that_is_gone_is_said_at_once(written, server, tmp_path):
    """Without a server nothing is touched, and the exit status says so."""
    runs = copied(written, tmp_path / "runs")
    server.stop()
    done = sync(server, tmp_path, runs, check=False)
    assert done.returncode == 1
    assert "cannot ask the server" in done.stderr
    assert not list(runs.rglob("synced.json"))
