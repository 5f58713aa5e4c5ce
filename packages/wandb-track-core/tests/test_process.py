"""How a process can end, or be hurt, while its task is tracked: each in a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, needs_flushing, run_python, services_of, wait_until

PRELUDE = """
import os, signal, subprocess, sys, threading, time
from wandb_track_core import TaskIdentity, TrackedRun, current_run
from wandb_track_testing.hurt import service
IDENTITY = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")
def tracked(number=0, **arguments):
    return TrackedRun(IDENTITY._replace(key=("e1", f"n{number}")), **{"project": "p", **arguments})
"""


def start(code, folder, **extra):
    """Start a task in a process of its own, and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", PRELUDE + code],
        env=isolated_env(folder, **extra),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def end(process, folder):
    """What the process printed, and its runs, once everything that it started is gone."""
    out, err = process.communicate(timeout=300)
    wait_until(lambda: not services_of(process.pid))  # it writes the end of a log a moment after
    return out, err, {run.id: run for run in find_runs(folder)}


SLEEP = """
with tracked() as run:
    for step in range(5):
        run.log({"step_": step})
    print("ready")
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["terminated", "goes on"])
def test_a_run_ends_as_its_task_where_nobody_reads_standard_error(tmp_path, how):
    """The reader has ended, such as with the shell that began it all: each line that the client prints would raise."""
    waiting = "while not os.path.exists('unread'): time.sleep(0.05)"
    code = SLEEP if how == "terminated" else SLEEP.replace("time.sleep(60)", waiting)
    process = start(code, tmp_path, WANDB_SILENT=None)
    process.stderr.close()
    process.stderr = None
    (tmp_path / "unread").touch()
    if how == "terminated":
        process.terminate()
    _, _, runs = end(process, tmp_path)
    (run,) = runs.values()
    assert (run.preempting, run.exit_code) == ((True, 143) if how == "terminated" else (False, 0))


def test_a_task_whose_working_folder_is_deleted_ends_as_any_other(tmp_path):
    """Such as a `TemporaryDirectory` that it changed to. The process is where it was afterwards."""
    code = """
with tracked() as run:
    run.log({"x": 1})
    os.mkdir("work")
    os.chdir("work")
    os.rmdir(os.getcwd())
try:
    print(os.getcwd())
except FileNotFoundError:
    print("still there")
"""
    done = run_python(PRELUDE + code, cwd=tmp_path, env=isolated_env(tmp_path, WANDB_SILENT=None))
    (run,) = find_runs(tmp_path)
    assert (done.stdout, run.exit_code) == ("still there\n", 0), done.stderr
    assert "wandb-track:" not in done.stderr


def test_sigterm_marks_the_run_preempting_and_closes_it_with_143(tmp_path):
    process = start(SLEEP, tmp_path)
    process.terminate()
    _, _, runs = end(process, tmp_path)
    assert process.returncode == -signal.SIGTERM
    (run,) = runs.values()
    assert (run.preempting, run.exit_code) == (True, 143)
    assert run.values("step_") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("what", ["artifact", "file"])
def test_a_task_that_ended_keeps_its_outcome_where_sigterm_comes_while_its_upload_is_waited_for(
    tmp_path, standin, what
):
    """The upload has the seconds that the orchestrator leaves; the run does not stay "running"."""
    log = {"artifact": 'run.log_artifact("data.txt", type="dataset")', "file": 'run.save("data.txt", policy="end")'}
    (tmp_path / "data.txt").write_text("important")
    code = f"""
with tracked(entity="acme") as run:
    {log[what]}
    print("ready")
"""
    fault = standin.fault(lambda request: request.path.startswith("/storage"), None, delay=2)
    process = start(code, tmp_path, **standin.env())
    wait_until(lambda: fault.hits)
    process.terminate()
    end(process, tmp_path)
    assert process.returncode == -signal.SIGTERM
    (run,) = standin.runs.values()
    assert (run.exit_code, run.preempting) == (0, False)
    versions = [held for collection in standin.collections.values() for held in collection.versions]
    assert "data.txt" in run.files if what == "file" else [each.state for each in versions] == ["COMMITTED"]


def test_sigterm_closes_nested_runs_too_and_calls_the_handler_that_was_there_before(tmp_path):
    code = """
def handler(number, frame):
    print("theirs", number, current_run().id if os.environ.get("NOPE") else "")
    sys.exit(7)
signal.signal(signal.SIGTERM, handler)
with tracked(), tracked(1):
    print("ready")
    time.sleep(60)
"""
    process = start(code, tmp_path)
    process.terminate()
    out, _, runs = end(process, tmp_path)
    assert out.startswith("theirs 15")
    assert process.returncode == 7
    assert {run.exit_code for run in runs.values()} == {143}
    assert len(runs) == 2


def test_sigterm_closes_the_run_of_a_task_that_holds_the_lock_of_the_clients_log(tmp_path):
    """As in the middle of `run.config.update`, which logs."""
    code = """
import logging
with tracked():
    with logging.getLogger("wandb").handlers[-1].lock:
        print("ready")
        os.kill(os.getpid(), signal.SIGTERM)
"""
    process = start(code, tmp_path)
    _, err, runs = end(process, tmp_path)
    assert process.returncode == -signal.SIGTERM, err
    assert (runs["e1-n0-0"].exit_code, runs["e1-n0-0"].preempting) == (143, True)


def test_sigterm_ends_a_task_whose_process_has_no_more_threads(tmp_path):
    code = """
import threading
def start(thread):
    raise RuntimeError("can't start new thread")
with tracked():
    print("ready")
    threading.Thread.start = start
    os.kill(os.getpid(), signal.SIGTERM)
"""
    process = start(code, tmp_path)
    _, err, _ = end(process, tmp_path)
    assert process.returncode == -signal.SIGTERM, err
    assert "can't start" not in err


def test_a_tasks_own_handler_for_sigterm_stands(tmp_path):
    code = """
with tracked():
    def handler(number, frame):
        raise RuntimeError("mine")
    signal.signal(signal.SIGTERM, handler)
    # Past the client's console capture, which swallows what is raised while it looks at a line.
    os.write(1, b"ready\\n")
    time.sleep(60)
"""
    process = start(code, tmp_path)
    process.terminate()
    _, err, runs = end(process, tmp_path)
    assert "RuntimeError: mine" in err
    assert runs["e1-n0-0"].exit_code == 1
    assert runs["e1-n0-0"].summary["exception"]["message"] == "mine"


def test_a_process_that_ignores_sigterm_goes_on_and_the_handler_is_put_back_afterwards(tmp_path):
    code = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with tracked() as run:
    print("ready")
    sys.stdin.readline()
    run.log({"after": 1})
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with tracked(1):
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", PRELUDE + code],
        env=isolated_env(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.terminate()
    time.sleep(0.3)
    process.communicate("go on\n", timeout=300)
    assert process.returncode == 0
    assert {run.exit_code for run in find_runs(tmp_path)} == {0}


@needs_flushing
def test_sigkill_loses_at_most_about_a_second_of_what_was_logged_and_the_service_goes_too(tmp_path):
    code = """
with tracked() as run:
    print("ready")
    print(service().pid)
    for step in range(10_000):
        run.log({"step_": step, "at": time.time()})
        time.sleep(0.05)
"""
    process = start(code, tmp_path)
    pid = int(process.stdout.readline())
    time.sleep(4)
    killed = time.time()
    process.kill()
    _, _, runs = end(process, tmp_path)
    assert max(runs["e1-n0-0"].values("at")) > killed - 1.5
    assert runs["e1-n0-0"].exit_code is None
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the service outlived the task")


@needs_flushing
def test_os_exit_leaves_what_was_logged_a_second_before(tmp_path):
    code = """
run = tracked().open()
run.log({"loss": 1.0})
time.sleep(1.5)
os._exit(5)
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path), check=False)
    assert done.returncode == 5
    (run,) = find_runs(tmp_path)
    assert run.values("loss") == [1.0]
    assert run.exit_code is None


def test_a_forked_child_neither_ends_its_parents_run_nor_on_sigterm_marks_it(tmp_path):
    code = """
import multiprocessing
def work():
    time.sleep(30)
def compute():
    sum(range(10**12))  # within C, where Python calls no handler
def leave():
    raise SystemExit(3)
with tracked() as run:
    run.log({"before": 1})
    context = multiprocessing.get_context("fork")
    for target in (work, compute):
        child = context.Process(target=target); child.start(); time.sleep(0.3)
        child.terminate(); child.join(20); print("child", child.exitcode)
        child.kill()
    child = context.Process(target=leave); child.start(); child.join(); print("child", child.exitcode)
    try:
        pid = os.fork()
        if not pid:
            raise ValueError("in the child")
    except ValueError:
        tracked_is_left = True
    else:
        os.waitpid(pid, 0)
    if not pid:
        os._exit(0)
    run.log({"after": 1})
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path))
    assert done.stdout == "child -15\nchild -15\nchild 3\n"
    (run,) = find_runs(tmp_path)
    assert run.values("after") == [1]
    assert (run.exit_code, run.preempting) == (0, False)


def test_a_forked_child_that_has_tracked_something_ends_by_sigterm_as_any_other(tmp_path):
    """As the workers of a `multiprocessing.Pool` do: it inherits our handler, and would get it as the one before."""
    code = """
import multiprocessing
context = multiprocessing.get_context("fork")
opened = context.Event()
def work(stays_open):
    with tracked(1 + stays_open):
        if stays_open:
            opened.set(); time.sleep(30)
    opened.set(); time.sleep(30)
with tracked() as run:
    for stays_open in (False, True):
        opened.clear()
        child = context.Process(target=work, args=(stays_open,)); child.start()
        assert opened.wait(60)
        child.terminate(); child.join(); print("child", child.exitcode)
    run.log({"after": 1})
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path))
    assert done.stdout == "child -15\nchild -15\n", done.stderr
    assert "RecursionError" not in done.stderr
    runs = {run.id: (run.exit_code, run.preempting) for run in find_runs(tmp_path)}
    assert runs == {"e1-n0-0": (0, False), "e1-n1-0": (0, False), "e1-n2-0": (143, True)}


GRACEFUL = """
import signal
asked = False
def ask_to_stop(number, frame):
    global asked
    asked = True
class Composed:  # as Lightning's and other trainers' handlers, which go on to a good place to stop
    def __init__(self):
        self.before = signal.getsignal(signal.SIGTERM)
    def __call__(self, number, frame):
        ask_to_stop(number, frame)
        if callable(self.before):
            self.before(number, frame)
def train(run):
    print("ready")
    for _ in range(600):
        time.sleep(0.05)
        if asked:
            break
    run.log({"checkpoint": 1})
    print("saved", asked)
"""


@pytest.mark.parametrize("ends", ["as it was to", "as failed"])
def test_a_trainers_own_handler_decides_when_the_task_ends(tmp_path, ends):
    """It calls the one before it, which is ours: the process lives on, as it would without us, and so does the run."""
    code = """
with tracked(), tracked(1) as run:
    signal.signal(signal.SIGTERM, Composed())
    train(run)
"""
    process = start(GRACEFUL + code + ("" if ends == "as it was to" else "    sys.exit(3)"), tmp_path)
    process.terminate()
    out, err, runs = end(process, tmp_path)
    exit_code, of_runs = (0, 0) if ends == "as it was to" else (3, 143)
    assert (process.returncode, out) == (exit_code, "saved True\n"), err
    assert {run.exit_code for run in runs.values()} == {of_runs}
    assert [run.preempting for run in runs.values()] == [True, True]
    assert runs["e1-n1-0"].summary["checkpoint"] == 1


def test_a_task_can_catch_what_an_earlier_handler_raises(tmp_path):
    """Its run is open while it does: it saves a checkpoint, and logs it."""
    code = """
class Preempted(Exception):
    pass
def raise_it(number, frame):
    raise Preempted
signal.signal(signal.SIGTERM, raise_it)
with tracked() as run:
    try:
        os.write(1, b"ready\\n")  # within `print` the client's capture of the console would swallow the error
        time.sleep(60)
    except Preempted:
        run.log({"checkpoint": 1})
        print("saved")
"""
    process = start(code, tmp_path)
    process.terminate()
    out, err, runs = end(process, tmp_path)
    assert (process.returncode, out) == (0, "saved\n"), err
    run = runs["e1-n0-0"]
    assert (run.exit_code, run.preempting, run.summary["checkpoint"]) == (0, True, 1)


def test_a_trainers_handler_calls_the_handler_before_the_task_once(tmp_path):
    """Ours lies between them. And a later task finds the trainer's, which calls ours again."""
    code = """
count = 0
def first(number, frame):
    global count
    count += 1
signal.signal(signal.SIGTERM, first)
with tracked():
    signal.signal(signal.SIGTERM, Composed())
    os.kill(os.getpid(), signal.SIGTERM)
    while not count:
        time.sleep(0.01)
asked = False
with tracked(1) as run:
    train(run)
print("first", count)
"""
    process = start(GRACEFUL + code, tmp_path)
    process.terminate()
    out, err, runs = end(process, tmp_path)
    assert (process.returncode, out) == (0, "saved True\nfirst 2\n"), err
    assert {run.exit_code for run in runs.values()} == {0}


def test_a_child_that_leaves_the_tracked_block_does_not_finish_the_run(tmp_path):
    code = """
with tracked() as run:
    run.log({"before": 1})
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        run.log({"after": 1})
if not pid:
    os._exit(0)
"""
    run_python(PRELUDE + code, isolated_env(tmp_path))
    (run,) = find_runs(tmp_path)
    assert run.values("after") == [1]
    assert run.exit_code == 0


@needs_flushing
def test_a_service_that_hangs_does_not_keep_the_finished_process_alive(tmp_path):
    code = """
with tracked(finish_timeout=1) as run:
    run.log({"loss": 1.0})
    time.sleep(1)
    os.kill(service().pid, signal.SIGSTOP)
print("result")
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path), timeout=300)
    assert done.stdout == "result\n"
    assert "did not come back" in done.stderr
    assert find_runs(tmp_path)[0].values("loss") == [1.0]


def test_a_dead_service_that_was_inherited_is_replaced(tmp_path):
    dead = f"3-{os.getpid()}-unix-{tmp_path}/nobody-listens-here"
    code = "with tracked() as run:\n    run.log({'loss': 1.0})\n"
    for token in (dead, f"3-{os.getpid()}-tcp-localhost-9"):
        done = run_python(PRELUDE + code, isolated_env(tmp_path, WANDB_SERVICE=token))
        assert "not tracked" not in done.stderr
    assert [run.exit_code for run in find_runs(tmp_path)] == [0, 0]


def test_sys_exit_inside_a_task_is_the_processes_exit_code_and_the_runs(tmp_path):
    done = run_python(PRELUDE + "with tracked():\n    sys.exit(3)\n", isolated_env(tmp_path), check=False)
    assert done.returncode == 3
    assert [run.exit_code for run in find_runs(tmp_path)] == [3]


def test_the_clients_telemetry_is_off_unless_the_user_asks_for_it(tmp_path):
    """Where the network is gone, it would keep the process from ending for 10 seconds."""
    code = "with tracked():\n    pass\nprint(os.environ['WANDB_ERROR_REPORTING'])\n"
    for given, expected in ((None, "false"), ("true", "true")):
        done = run_python(PRELUDE + code, isolated_env(tmp_path, WANDB_ERROR_REPORTING=given))
        assert done.stdout.split() == [expected]


DISK = {
    "is no folder": "os.rmdir(FOLDER); open(FOLDER, 'w').close()",
    "is full": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
}


@pytest.mark.parametrize("state", DISK)
def test_where_the_folder_of_the_runs_fails_the_task_still_succeeds(tmp_path, state):
    folder = tmp_path / "runs"
    folder.mkdir()
    code = f"""
FOLDER = {str(folder)!r}
{DISK[state]}
with tracked(dir=FOLDER) as run:
    for step in range(200):
        run.log({{"loss": float(step), "text": "x" * 1000}})
    result = 42
print("result", result)
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path))
    assert "result 42" in done.stdout
    assert ("not everything could be written to disk" in done.stderr) == (state == "is full")


def test_a_run_folder_that_is_removed_in_mid_run_costs_the_task_nothing(tmp_path):
    code = """
import shutil
with tracked() as run:
    run.log({"loss": 1.0})
    shutil.rmtree(os.path.dirname(run.dir))
    run.log({"loss": 0.5})
print("result")
"""
    done = run_python(PRELUDE + code, isolated_env(tmp_path))
    assert done.stdout.endswith("result\n")
    assert "the run is lost, because the tracker failed" in done.stderr
    assert "was removed" in done.stderr
    assert "sync" not in done.stderr.partition("wandb-track: ")[2]
