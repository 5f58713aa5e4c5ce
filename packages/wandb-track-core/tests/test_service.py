"""The client's service process dies in mid-run: the run goes on with another one, and a sync makes one run of both."""

import shutil
import subprocess
import sys

import pytest
from wandb_track_core import offline
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import command_line, isolated_env, run_python
from wandb_track_testing.standin import StandIn

pytest.importorskip("wandb", minversion="0.31", reason="older clients write what a run says every 15 seconds only")

PRELUDE = """
import multiprocessing, os, shutil, signal, sys, threading, time
import wandb
from wandb import teardown
from wandb_track_core import TaskIdentity, TrackedRun, TrackerFaultError, current_run
from wandb_track_core.adapters import artifact_folder, log_artifact
from wandb_track_testing.hurt import service
IDENTITY = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
def tracked(number=0, **arguments):
    return TrackedRun(IDENTITY._replace(key=("e1", f"n{number}")), **{"project": "p", **arguments})
def kill():
    time.sleep(1.2)
    service().kill()
    service().wait()
def artifact(name):
    made = wandb.Artifact(name, type="dataset")
    with made.new_file("data.txt") as file:
        file.write(f"important {name}")
    return made
"""
COMMAND = [sys.executable, "-c", command_line]


@pytest.fixture
def server():
    with StandIn() as server:
        yield server


def perform(code, folder, server=None):
    """Run a task, online where there is a server; what it printed, what was said of its runs, and their fragments."""
    done = run_python(PRELUDE + code, isolated_env(folder, **(server.env() if server else {})))
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("wandb-track:")]
    return done.stdout.splitlines(), said, find_runs(folder)


def sync(line, folder, server):
    """Do what the line says."""
    server.clear_faults()
    program, *arguments = line.partition("Sync it with: ")[2].split()
    assert program == "wandb-track"
    env = isolated_env(folder, **{**server.env(), "WANDB_SILENT": None})
    done = subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


TASK = """
def store(tar):
    target = f"{os.getcwd()}/stored.{tar.name}"
    return shutil.move(tar, target)
with tracked(config={"rate": 0.1}, OPTIONS) as run:
    run.define_metric("loss", summary="last")
    run.log({"loss": 1.0})
    run.log({"loss": 0.9})
    run.summary["best"] = {"epoch": 1}
    folder = artifact_folder(run, "begun")
    (folder / "data.txt").write_text("hello")
    run.log_artifact(artifact("before"))
    WAIT
    kill()
    made = wandb.Artifact("begun", type="dataset")
    made.add_dir(str(folder))
    log_artifact(run, made, folder=folder)
    assert (run.step, run.summary["best"]["epoch"], run.config["rate"]) == (2, 1, 0.1)
    threads = [threading.Thread(target=run.log, args=({"loss": 0.8},)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    run.summary["late"] = run.summary["best"]["epoch"] + 1
    run.config["late"] = 1
    wandb.log({"loss": 0.2})
    current_run().log({"loss": 0.1}, step=run.step + 5)
    wandb.log_artifact(artifact("after"))
    print("result", run.step)
with tracked(1) as run:
    run.log({"loss": 2.0})
"""
LOSSES = [1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.2, 0.1]
STEPS = [0, 1, 2, 3, 4, 5, 6, 12]


@pytest.mark.parametrize("is_online", [False, True])
def test_a_run_whose_service_is_killed_goes_on_and_a_sync_makes_one_run_of_both_folders(tmp_path, server, is_online):
    """Online when the server has the first rows; and offline, stored elsewhere. Later tasks are tracked again."""
    options = "settings={'x_file_stream_transmit_interval': 1}" if is_online else "store=store"
    wait = "while wandb.Api().run('acme/p/e1-n0-0').lastHistoryStep < 1: time.sleep(0.1)" if is_online else ""
    code = TASK.replace("OPTIONS", options).replace("WAIT", wait)
    out, said, fragments = perform(code, tmp_path, server if is_online else None)
    assert len(said) == 1, said
    (line,) = said
    assert out == ["result 12"]
    later = fragments.pop()
    assert (later.id, later.exit_code, later.values("loss")) == ("e1-n1-0", 0, [2.0])
    first, second = fragments
    assert [first.exit_code, second.exit_code] == [None, 0]
    assert [row["_step"] for run in fragments for row in run.history] == STEPS
    assert [each.name for each in second.artifacts if each.name != "before"] == ["begun", "after"]
    places = [str(first.folder), str(second.folder)]
    if not is_online:
        places = [str(tmp_path / f"stored.{run.folder.name}.tar") for run in fragments]
        for run in fragments:
            shutil.rmtree(run.folder)
    assert line.endswith(" ".join(places))
    (local,) = offline.find_runs(*places)
    here = [[row[name] for row in local.history()] for name in ("_step", "_runtime")]
    key = ("acme", "p", "e1-n0-0")
    assert not is_online or server.runs[key].values("loss") == [1.0, 0.9]

    sync(line, tmp_path, server)
    run = server.runs[key]
    assert run.values("loss") == LOSSES
    assert run.values("_step") == STEPS
    assert run.values("_runtime") == sorted(run.values("_runtime"))
    assert here == [STEPS, run.values("_runtime")]
    assert (run.config["rate"], run.config["late"], run.exit_code) == (0.1, 1, 0)
    assert (run.summary["best"], run.summary["late"], run.summary["loss"]) == ({"epoch": 1}, 2, {"last": 0.1})
    made = {name: [each.state for each in held.versions] for (*_, name), held in server.collections.items()}
    assert made == {"before": ["COMMITTED"], "begun": ["COMMITTED"], "after": ["COMMITTED"]}


def test_what_began_online_without_an_entity_is_one_run_with_what_went_on_offline(tmp_path, server):
    """The client's log names an entity only where the user did; the run that goes on has the one of the server."""
    code = """
with tracked() as run:
    run.log({"loss": 1.0})
    kill()
    run.log({"loss": 0.5})
"""
    perform(code, tmp_path, server)
    (run,) = offline.find_runs(*(tmp_path / "wandb").glob("*run-*"))
    assert (run.entity, len(run.fragments)) == ("acme", 2)
    assert [row["loss"] for row in run.history()] == [1.0, 0.5]


def test_an_upload_that_the_service_did_not_end_is_synced_with_the_rest(tmp_path, server):
    """The folder of the online run is found beside the other one, even where only the runs' parent is named."""
    code = """
with tracked() as run:
    run.log({"loss": 1.0})
    run.log_artifact(artifact("whole")).wait()
    run.log_artifact(artifact("begun"))
    kill()
"""
    server.fault(
        lambda request: request.variables.get("input", {}).get("artifactCollectionName") == "begun", None, delay=30
    )
    _, _, (first, second) = perform(code, tmp_path, server)
    assert [each.name for each in second.artifacts] == ["begun"]
    sync(f"Sync it with: wandb-track sync {first.folder.parent}", tmp_path, server)
    assert {version.state for held in server.collections.values() for version in held.versions} == {"COMMITTED"}
    assert (server.run.values("loss"), server.run.exit_code) == ([1.0], 0)


def test_an_attempt_that_continued_a_run_still_continues_it(tmp_path, server):
    code = """
for attempt in range(2):
    identity = IDENTITY._replace(attempt=attempt)
    with TrackedRun(identity, project="p", resume="allow") as run:
        run.log({"loss": 1.0 + attempt})
        if attempt:
            kill()
        run.log({"loss": 0.5 + attempt})
"""
    _, (line,), _ = perform(code, tmp_path, server)
    sync(line, tmp_path, server)
    assert server.run.values("loss") == [1.0, 0.5, 2.0, 1.5]
    assert server.run.values("_step") == [0, 1, 2, 3]
    assert server.run.config["chain"]["attempts"] == [0, 1]


def test_all_runs_over_one_service_go_on_over_one_other_and_end_as_their_tasks_do(tmp_path):
    """So does a run in a child that is forked afterwards; SIGTERM marks what it ends, and an exception is kept."""
    code = """
def log(number):
    runs[number].log({"loss": 0.5})
with tracked(0) as a, tracked(1) as b:
    runs = [a, b]
    for run in runs:
        run.log({"loss": 1.0})
    kill()
    threads = [threading.Thread(target=log, args=(number % 2,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    pid = service().pid
    child = multiprocessing.get_context("fork").Process(target=log, args=(0,))
    child.start()
    child.join()
    log(1)
    print(child.exitcode, pid == service().pid)
try:
    with tracked(2):
        kill()
        raise ValueError("of the task's own")
except ValueError:
    pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with tracked(3):
    kill()
    os.kill(os.getpid(), signal.SIGTERM)
"""
    out, said, fragments = perform(code, tmp_path)
    assert out == ["0 True"]
    assert len(said) == 4
    assert all("the wandb service process died" in line for line in said)
    assert [run.id for run in fragments if run.exit_code is None] == [f"e1-n{number}-0" for number in range(4)]
    last = {run.id: run for run in fragments if run.exit_code is not None}
    assert [last[f"e1-n{number}-0"].exit_code for number in range(4)] == [0, 0, 1, 143]
    assert last["e1-n0-0"].values("loss") == last["e1-n1-0"].values("loss") == [0.5] * 5
    assert last["e1-n2-0"].summary["exception"]["message"] == "of the task's own"
    assert last["e1-n3-0"].preempting


def test_a_run_whose_services_all_die_is_muted_and_costs_the_task_nothing(tmp_path, server):
    """After as many as it may have; where another cannot be started, likewise. What came before is synced."""
    code = """
from wandb_track_core._wandb import _guard
_guard.MOST_SERVICES = 2
with tracked() as run:
    for number in range(4):
        run.log({"loss": float(number)})
        if number < 3:
            kill()
    run.log_artifact(artifact("late"))
    print(run.step, run.summary["loss"])
with tracked(1) as run:
    run.log({"loss": 1.0})
    os.environ["PATH"] = ""
    from wandb.sdk.lib.service import service_process
    service_process.start = lambda *_: 1 / 0
    kill()
    run.log({"loss": 0.5})
    print(run.step, run.summary["loss"])
"""
    out, said, fragments = perform(code, tmp_path)
    assert out == ["3 2", "1 1"]
    assert [line.partition(":")[2].partition(",")[0] for line in said] == [" the rest of this task was not tracked"] * 2
    assert "died" in said[1]
    assert [(run.id, run.values("loss"), run.exit_code) for run in fragments] == [
        ("e1-n0-0", [0], None),
        ("e1-n0-0", [1], None),
        ("e1-n0-0", [2], None),
        ("e1-n1-0", [1], None),
    ]
    sync(said[0], tmp_path, server)
    assert server.run.values("loss") == [0, 1, 2]


@pytest.mark.parametrize("is_online", [False, True])
def test_what_on_error_says_holds_where_the_service_is_killed_in_mid_run(tmp_path, server, is_online):
    """Under "warn" and "raise" nothing that the user calls fails, and nothing is kept from then on."""
    code = """
for number, policy in enumerate(("warn", "raise")):
    try:
        with tracked(number, on_error=policy) as run:
            run.log({"loss": 1.0})
            kill()
            run.log({"loss": 0.5})
            run.summary["best"] = 1
            run.config["late"] = 1
            run.define_metric("loss", summary="min")
            run.alert("title", "text")
            run.log_artifact(artifact("late"))
            print(policy, run.step, run.summary["best"], run.summary["loss"])
    except TrackerFaultError as error:
        print(type(error).__name__)
"""
    out, said, fragments = perform(code, tmp_path, server if is_online else None)
    assert len(said) == 1, said
    (line,) = said
    assert out == ["warn 1 1 1", "raise 1 1 1", "TrackerFaultError"]
    assert "the rest of this task was not tracked" in line
    assert line.endswith(f"{'--include-online ' if is_online else ''}{fragments[0].folder}")
    assert [(run.values("loss"), run.exit_code) for run in fragments] == [([1.0], None)] * 2


def test_a_service_that_dies_before_anything_is_on_the_disk_takes_no_more_than_its_last_half_second(tmp_path):
    """What the user set can still be read; a folder with nothing in it is not named."""
    code = """
with tracked() as run:
    run.log({"loss": 1.0})
    run.summary["best"] = 1
    service().kill()
    service().wait()
    run.log({"loss": 0.5})
    print(run.step, run.summary["best"])
"""
    out, (line,), fragments = perform(code, tmp_path)
    assert out == ["2 1"]
    assert line.endswith(" ".join(str(run.folder) for run in fragments if run.id))
    (kept,) = [run for run in fragments if run.exit_code == 0]
    assert (kept.values("loss"), kept.history[0]["_step"], kept.summary["best"]) == ([0.5], 1, 1)


def test_runs_go_on_after_a_teardown_imported_before_and_the_new_service_is_left_alone(tmp_path):
    """A second run that notices later moves to the service that is there by then."""
    code = """
with tracked() as outer, tracked(1) as inner:
    outer.log({"loss": 1.0})
    inner.log({"loss": 1.0})
    time.sleep(1)
    teardown()
    outer.log({"loss": 0.5})
    pid = service().pid
    inner.log({"loss": 0.5})
    outer.log({"loss": 0.4})
    print(pid == service().pid, outer.step, inner.step)
"""
    out, said, fragments = perform(code, tmp_path)
    assert out == ["True 3 2"]
    assert len(said) == 2
    rows = {run.id: [] for run in fragments}
    for run in fragments:
        rows[run.id] += run.values("loss")
    assert rows == {"e1-n0-0": [1.0, 0.5, 0.4], "e1-n1-0": [1.0, 0.5]}


def test_handles_taken_before_the_service_died_reach_the_run_that_goes_on(tmp_path):
    """Bound methods, config, summary, setters and nested keys, of the run and of the module."""
    code = """
with tracked(config={"a": 1}) as run:
    log, config, summary, plain_log = run.log, run.config, run.summary, wandb.log
    summary["nested"] = {"x": 1}
    kill()
    summary["nested"]["y"] = 2
    config["late"] = {"b": 2}
    del summary["nested"]["x"]
    run.name, run.notes, run.tags = "named", "noted", ("t",)
    log({"loss": 1.0})
    plain_log({"loss": 0.5})
    assert config is run.config or dict(config) == dict(run.config)
    print(run.name, run.notes, run.tags, dict(summary["nested"]), config["late"], run.step)
"""
    out, said, fragments = perform(code, tmp_path)
    assert out == ["named noted ('t',) {'y': 2} {'b': 2} 2"]
    assert len(said) == 1
    last = fragments[-1]
    assert (last.name, last.notes, last.exit_code, last.values("loss")) == ("named", "noted", 0, [1.0, 0.5])
    assert (last.config["a"], last.config["late"], last.summary["nested"]) == (1, {"b": 2}, {"y": 2})
