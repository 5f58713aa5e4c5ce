"""What people do with wandb inside a tracked task works as it does with plain wandb."""

import inspect
import os
import pickle
import textwrap
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import wandb
from wandb_track_core import QuietRun, TaskIdentity, TrackedRun, current_run
from wandb_track_core._wandb import _module
from wandb_track_core.adapters import task_run
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python
from wandb_track_testing.standin import StandIn

IDENTITY = TaskIdentity("chain", "train", key=("e1", "n0"), workflow="wf", execution="e1")


def tracked(number=0, **arguments):
    return TrackedRun(IDENTITY._replace(key=("e1", f"n{number}")), **{"project": "p", "mode": "offline", **arguments})


def runs_below(folder):
    return {run.id: run for run in find_runs(folder)}


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.bin"
    path.write_text("weights")
    return str(path)


# Every public method that takes arguments, by position and by name; those that ask a server are tried in `test_online`.
CALLS = {
    "log": [(({"a": 1}, 3), {}), (({"a": 1},), {"step": 4, "commit": True}), ((), {"data": {"a": 2}})],
    "log_model": [(("MODEL", "one"), {}), (("MODEL",), {"name": "two"}), ((), {"path": "MODEL"})],
    "log_artifact": [(("MODEL", "three", "model"), {}), (("MODEL",), {"name": "four", "type": "model"})],
    "log_code": [((".",), {}), ((), {"root": ".", "name": "code"})],
    "save": [(("MODEL",), {}), ((), {"glob_str": "MODEL", "policy": "now"})],
    "define_metric": [(("a",), {}), (("b", "a"), {}), ((), {"name": "c", "summary": "max"})],
    "alert": [(("title", "text"), {}), ((), {"title": "title", "text": "text"})],
    "write_logs": [(("line",), {})],
    "display": [((100,), {}), ((), {"height": 100})],
    "to_html": [((100,), {}), ((), {"hidden": True})],
    "mark_preempting": [((), {})],
    "status": [((), {})],
}


@pytest.mark.parametrize("name", CALLS)
def test_every_method_takes_what_it_takes_with_plain_wandb(name, wandb_env, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def outcomes(run):
        found = []
        for args, kwargs in CALLS[name]:
            args = [model if value == "MODEL" else value for value in args]
            kwargs = {key: model if value == "MODEL" else value for key, value in kwargs.items()}
            found.append(type(getattr(run, name)(*args, **kwargs)))
        return found

    if not hasattr(wandb.Run, name):
        pytest.skip(f"wandb {wandb.__version__} has no Run.{name}")
    with wandb.init(project="p", mode="offline", reinit="create_new") as plain:
        expected = outcomes(plain)
    with tracked() as run:
        assert outcomes(run) == expected
    assert runs_below(wandb_env)["e1-n0-0"].exit_code == 0


def test_every_public_method_of_the_client_is_passed_on_unchanged():
    from wandb_track_core._wandb._classes import guarded_run

    public = [name for name, member in vars(wandb.Run).items() if not name.startswith("_") and callable(member)]
    assert public
    for name in public:
        assert getattr(guarded_run(), name).__doc__ == getattr(wandb.Run, name).__doc__ or name in ("finish",)


def test_module_level_names_take_positions_and_names_too(wandb_env, model):
    with tracked():
        wandb.log_model(path=model)
        wandb.log_model(model, "named")
        wandb.log({"a": 1}, 2)
        wandb.define_metric("a", summary="min")
    (run,) = find_runs(wandb_env)
    assert [each.type for each in run.artifacts] == ["model", "model"]


def test_a_plain_init_gives_the_tasks_run_which_takes_config_tags_notes_and_name(wandb_env, capsys):
    with tracked(config={"a": 1}, tags=["t"], notes="first") as run:
        given = wandb.init(config={"b": 2}, tags=["u"], name="mine", notes="second", project="p", reinit=False)
        assert given is run is wandb.run
        assert (run.config["b"], run.name, run.notes) == (2, "mine", "first\nsecond")
        assert set(run.tags) == {"t", "u"}
        assert "wandb-track:" not in capsys.readouterr().err
        assert wandb.init("someone", "elsewhere", id="other") is run
        assert run.project == "p"
        assert "cannot take entity='someone', project='elsewhere', id='other':" in capsys.readouterr().err
        wandb.init(settings=wandb.Settings(api_key="a" * 40, run_group="g", mode="offline", project="p"))
    assert "cannot take settings.api_key, settings.run_group:" in capsys.readouterr().err
    (kept,) = find_runs(wandb_env)
    assert (kept.config["b"], kept.name) == (2, "mine")


def test_init_looks_like_the_clients_own(wandb_env):
    plain = inspect.signature(wandb.init)
    with tracked():
        assert inspect.signature(wandb.init) == plain
        assert wandb.init.__doc__
        with pytest.raises(TypeError, match="porject"):
            wandb.init(porject="typo")


def test_functions_that_were_imported_before_the_task_mean_what_those_of_the_module_do(tmp_path):
    code = """
        import inspect, pickle, wandb
        from wandb import agent, init
        from wandb_track_core import TaskIdentity, TrackedRun

        plain = inspect.signature(init)
        identity = TaskIdentity("chain", "train", key=("e1", "n0"))
        try:
            with TrackedRun(identity, project="p") as run:
                with init(project="p", config={"lr": 2}) as own:
                    assert own is wandb.run is run
                    assert own.config["lr"] == 2
                assert wandb.run is None
                with wandb.sdk.wandb_init.init(id="own") as own:
                    assert wandb.run is own
                raise ValueError("after the end of with")
        except ValueError:
            pass
        with TrackedRun(identity, mode="disabled") as run:
            assert init(project="p", reinit=True) is run
        assert inspect.signature(init) == plain
        assert pickle.loads(pickle.dumps(init)) is init is wandb.init
        with init(project="p", name="mine", id="outside", config={"a": 1}) as run:
            assert wandb.run is run
            assert run.name == "mine"
        assert agent.__module__.startswith("wandb.")
    """
    run_python(textwrap.dedent(code), isolated_env(tmp_path))
    assert {key: run.exit_code for key, run in runs_below(tmp_path).items()} == {"e1-n0-0": 1, "own": 0, "outside": 0}


@pytest.mark.parametrize("when", ["before the first task", "between two tasks", "in a task"])
def test_a_wrapper_around_init_is_called_as_with_plain_wandb(when, tmp_path):
    code = """
        import sys, wandb
        from wandb_track_core import TaskIdentity, TrackedRun

        def wrap(now):
            init = wandb.init

            def wrapper(*args, **kwargs):
                wrapper.calls += 1
                return init(*args, **kwargs)

            if now == sys.argv[1]:
                wrapper.calls, wandb.init = 0, wrapper

        wrap("before the first task")
        with TrackedRun(TaskIdentity("chain", "first", key=("e1", "n0")), project="p"):
            pass
        wrap("between two tasks")
        with TrackedRun(TaskIdentity("chain", "second", key=("e1", "n1")), project="p") as run:
            wrap("in a task")
            assert wandb.init(config={"lr": 1}) is run
            with wandb.init(reinit=True, id="own") as own:
                assert wandb.run is own
            assert wandb.run is run
        wandb.init(project="p", id="outside").finish()
        print(wandb.init.calls)
    """
    done = run_python(textwrap.dedent(code), isolated_env(tmp_path), when)
    assert done.stdout.splitlines()[-1] == "3"
    runs = runs_below(tmp_path)
    assert {key: run.exit_code for key, run in runs.items()} == dict.fromkeys(
        ["e1-n0-0", "e1-n1-0", "own", "outside"], 0
    )
    assert runs["e1-n1-0"].config["lr"] == 1


def test_a_mock_of_init_inside_a_task_leaves_it_as_it_was(tmp_path):
    code = """
        from unittest import mock
        import wandb
        from wandb_track_core import TaskIdentity, TrackedRun

        with TrackedRun(TaskIdentity("chain", "train", key=("e1", "n0")), project="p") as run:
            with mock.patch("wandb.init", return_value="mocked"):
                assert wandb.init() == "mocked"
            assert wandb.init() is run
        wandb.init(project="p", id="outside").finish()
    """
    run_python(textwrap.dedent(code), isolated_env(tmp_path))
    assert runs_below(tmp_path).keys() == {"e1-n0-0", "outside"}


def test_a_mock_of_log_inside_a_task_leaves_it_as_it_was(wandb_env):
    with tracked() as run:
        with mock.patch("wandb.log") as log:
            wandb.log({"a": 1})
        wandb.log({"b": 2})
        assert (log.call_count, run.summary.get("a"), run.summary["b"]) == (1, None, 2)


def test_what_a_task_assigns_ends_with_its_run_but_for_functions_that_open_or_end_runs(wandb_env):
    calls = []
    with tracked():
        wandb.log = wandb.teardown = calls.append
        wandb.finish()
        with pytest.raises(wandb.Error, match=r"You must call wandb.init\(\) before wandb.log\(\)"):
            wandb.log({"a": 1})
        wandb.init().finish()
        wandb.teardown(0)
    assert calls == [0]


def test_init_in_a_task_that_is_not_tracked_gives_the_quiet_run(wandb_env):
    with tracked(mode="disabled") as run:
        assert wandb.init(config={"b": 2}, project="other") is run
        assert wandb.init(reinit=True) is run
        assert run.config["b"] == 2
        wandb.finish()
        wandb.log({"a": 1})
    other_rank = TrackedRun(IDENTITY._replace(rank=1), project="p")
    with other_rank as run:
        assert isinstance(wandb.init(config={"c": 3}), QuietRun)
        assert run.config["c"] == 3
    assert find_runs(wandb_env) == []


def test_a_task_may_switch_off_a_run_of_its_own(wandb_env):
    with tracked() as run:
        off = wandb.init(mode="disabled", config={"x": 1})
        assert off is not run
        assert off.config["x"] == 1
        wandb.log({"nowhere": 1})
        run.log({"a": 1})
        off.finish()
        assert wandb.run is run
        wandb.log({"a": 2})
        with wandb.init(mode="disabled", reinit=True):
            wandb.log({"nowhere": 2})
        wandb.log({"a": 3})
    (kept,) = find_runs(wandb_env)
    assert (kept.values("a"), kept.values("nowhere")) == ([1, 2, 3], [])


@pytest.mark.parametrize("reinit", [True, "finish_previous", "create_new"])
@pytest.mark.parametrize("nested", [False, True])
def test_reinit_opens_a_run_of_its_own_and_finishes_no_tracked_one(wandb_env, reinit, nested):
    with tracked() as outer:
        with tracked(1) if nested else tracked(1, mode="disabled") as inner:
            task = inner if nested else outer
            if not nested:
                task = current_run()
            if not isinstance(task, QuietRun):
                with wandb.init(reinit=reinit, config={"own": 1}) as own:
                    assert own is not task
                    own.log({"own": 1})
                    assert wandb.run is (task if reinit == "create_new" else own)
                assert wandb.run is task
                wandb.log({"after": 1})
        outer.log({"outer": 1})
        assert wandb.run is outer
    runs = runs_below(wandb_env)
    assert runs.pop("e1-n0-0").values("outer") == [1]
    if nested:
        assert runs.pop("e1-n1-0").values("after") == [1]
        (own,) = runs.values()
        assert (own.values("own"), own.exit_code, own.project) == ([1], 0, "p")


def test_a_further_reinit_finishes_the_tasks_earlier_own_run_alone(wandb_env):
    with tracked() as run:
        first = wandb.init(reinit=True, id="first")
        second = wandb.init(reinit=True, id="second")
        assert wandb.run is second
        with pytest.raises(wandb.errors.UsageError, match="finished"):
            first.log({"a": 1})
        wandb.finish()
        assert wandb.run is run
        run.log({"still": 1})
    assert {run.id: run.exit_code for run in find_runs(wandb_env)} == {"first": 0, "second": 0, "e1-n0-0": 0}


def test_runs_that_a_task_leaves_open_end_as_the_task_does(wandb_env):
    with pytest.raises(ValueError, match="broken"), tracked():
        wandb.init(reinit="create_new", id="left")
        wandb.init(reinit=True, id="also")
        raise ValueError("broken")
    runs = runs_below(wandb_env)
    assert {run.exit_code for run in runs.values()} == {1}
    assert {run.summary["exception"]["message"] for run in runs.values()} == {"broken"}
    with tracked(1):
        wandb.init(reinit="create_new", id="well")
    assert runs_below(wandb_env)["well"].exit_code == 0


def finish_module():
    wandb.finish()


def finish_run():
    current_run().finish(exit_code=0)


def leave_with():
    with wandb.init(config={"in": 1}):
        wandb.log({"in": 1})


@pytest.mark.parametrize("finish", [finish_module, finish_run, leave_with])
def test_after_finish_the_task_sees_what_plain_wandb_shows_and_the_run_stays_open_until_its_end(wandb_env, finish):
    tracked_run = tracked()
    with pytest.raises(ValueError, match="later"), tracked_run as run:
        run.log({"a": 1})
        finish()
        assert wandb.run is None
        with pytest.raises(wandb.Error, match=r"call wandb.init\(\) before wandb.log"):
            wandb.log({"late": 1})
        with pytest.raises(wandb.errors.UsageError, match="is finished"):
            run.log({"late": 1})
        own = wandb.init(id="own", config={"x": 1})
        assert own is wandb.run
        wandb.log({"own": 1})
        wandb.finish()
        assert wandb.run is None
        task_run().summary["step's own"] = 1
        tracked_run.run.config.update({"set later": 1})
        raise ValueError("later")
    runs = runs_below(wandb_env)
    task = runs["e1-n0-0"]
    assert (task.values("a"), task.summary["step's own"], task.config["set later"]) == ([1], 1, 1)
    assert (task.exit_code, task.summary["exception"]["message"]) == (1, "later")
    assert (runs["own"].values("own"), runs["own"].exit_code) == ([1], 0)


def test_finish_in_a_nested_task_leaves_the_outer_one_current_afterwards(wandb_env):
    with tracked() as outer:
        with tracked(1):
            wandb.finish()
            assert wandb.run is None
        assert wandb.run is outer
        wandb.log({"outer": 1})
    assert runs_below(wandb_env)["e1-n0-0"].values("outer") == [1]


def test_config_and_summary_are_the_clients_and_behave_as_its_own(wandb_env):
    with tracked(config={"a": {"b": 1}}) as run, wandb.init(mode="offline", reinit="create_new") as plain:
        plain.config.update({**run.config, "a": {"b": 1}})
        run.summary["n"] = plain.summary["n"] = {"x": 1}
        run.summary["n"]["y"] = plain.summary["n"]["y"] = 2
        del run.summary["n"]["x"], plain.summary["n"]["x"]
        assert dict(run.summary["n"]) == dict(plain.summary["n"]) == {"y": 2}
        assert isinstance(run.config, type(plain.config))
        assert isinstance(run.summary, type(plain.summary))
        assert isinstance(run, wandb.Run)
        assert run.config.as_dict()["a"] == plain.config.as_dict()["a"]
        assert ("a" in run.config, run.config.get("zz", 3), run.config.a) == (True, 3, {"b": 1})
        assert repr(run.config) == repr(plain.config)
        assert repr(run).partition(" at ")[0] == repr(plain).partition(" at ")[0]
        with pytest.raises(AttributeError):
            run.config.nothing  # noqa: B018
        with pytest.raises(KeyError):
            run.summary["nothing"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_logs_with_the_run_that_it_is_given(tmp_path, method):
    code = """
import multiprocessing, sys
from wandb_track_core import TaskIdentity, TrackedRun
def work(run, log):
    run.log({"child": 1})
    log({"bound": 1})
if __name__ == "__main__":
    with TrackedRun(TaskIdentity("chain", "t", key=("e",)), project="p") as run:
        child = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(run, run.log))
        child.start()
        child.join()
        print(child.exitcode)
"""
    (tmp_path / "program.py").write_text(code)
    done = run_python(tmp_path / "program.py", isolated_env(tmp_path), method)
    assert done.stdout.split() == ["0"]
    (run,) = find_runs(tmp_path)
    assert (run.values("child"), run.values("bound"), run.exit_code) == ([1], [1], 0)


def test_a_bound_log_is_pickled_as_the_clients_own(wandb_env):
    with tracked() as run:
        assert b"wandb_track" not in pickle.dumps(run.log) + pickle.dumps(run)


def test_the_name_of_a_run_can_name_a_file_and_an_artifact(wandb_env, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identity = IDENTITY._replace(indices=(2, 0), values=("a/b", "c"), attempt=1, task="pkg.mod/train [x]")
    with TrackedRun(identity, project="p", mode="offline"):
        wandb.Artifact(f"model-{wandb.run.name}", type="model")
        with open(f"{wandb.run.name}.txt", "w"):
            pass
        assert not set(wandb.run.name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
    with tracked(name="as / given [1]") as run:
        assert run.name == "as / given [1]"


def test_tensorboard_that_is_not_installed_is_the_clients_own_error_at_once(wandb_env):
    with pytest.raises(Exception, match="tensorboard"):
        tracked(sync_tensorboard=True).open()


def test_in_a_container_the_key_is_the_processs_for_the_life_of_the_run(tmp_path, monkeypatch):
    """`wandb.Api()`, further runs and child processes have it; afterwards the environment is what it was."""
    code = """
import os, subprocess, sys
from wandb_track_core import TaskIdentity, TrackedRun
KEY, OTHER = "k" * 40, "o" * 40
def seen():
    return (os.environ.get("WANDB_API_KEY") or "-")[0], os.environ.get("WANDB_BASE_URL", "-")
def tracked(number, key, **more):
    identity = TaskIdentity("chain", "t", key=("e", str(number)))
    return TrackedRun(identity, project="p", api_key=lambda: key, base_url=sys.argv[1], in_container=True, **more)
print(seen())
with tracked(0, KEY) as run:
    import wandb
    print(seen()[0], wandb.Api().viewer.username, wandb.Api().runs("acme/p")[0].id)
    child = "import wandb; wandb.init(project='p', id='child').finish(); print('child')"
    print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.split()[-1])
    with wandb.init(project="p", id="second", reinit=True):
        pass
    with tracked(1, OTHER):
        print(seen()[0])
    print(seen()[0])
with tracked(2, KEY, mode="offline"):
    print(seen())
print(seen())
"""
    with StandIn() as server:
        env = isolated_env(tmp_path, **{**server.env(), "WANDB_API_KEY": "", "WANDB_BASE_URL": ""})
        env = {name: value for name, value in env.items() if name not in ("WANDB_API_KEY", "WANDB_BASE_URL")}
        done = run_python(code, env, server.url)
    assert done.stdout.splitlines() == [
        "('-', '-')",
        "k tester e-0-0",
        "child",
        "o",
        "k",
        "('-', '-')",
        "('-', '-')",
    ]
    assert {key[-1] for key in server.runs} == {"e-0-0", "child", "second", "e-1-0"}
    assert "environment variables" not in done.stderr.partition("e-1-0")[0]


def test_two_tasks_side_by_side_with_different_keys_do_not_exchange_them(wandb_env, capsys, monkeypatch):
    from wandb_track_core._key import ExportedKey

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    first = ExportedKey("a" * 40, None, None)
    second = ExportedKey("b" * 40, None, None)
    assert os.environ["WANDB_API_KEY"] == "a" * 40
    assert "keeps the key of the task that runs beside" in capsys.readouterr().err
    second.withdraw()
    assert os.environ["WANDB_API_KEY"] == "a" * 40
    same = ExportedKey("a" * 40, None, None)
    first.withdraw()
    assert os.environ["WANDB_API_KEY"] == "a" * 40
    same.withdraw()
    assert "WANDB_API_KEY" not in os.environ
    assert "a" * 40 not in capsys.readouterr().err


def test_a_second_opening_is_refused_and_loses_nothing(wandb_env):
    run = tracked()
    with run:
        with pytest.raises(RuntimeError, match="is open already"):
            run.open()
        wandb.log({"a": 1})
    assert find_runs(wandb_env)[0].values("a") == [1]


SWEEP = """
import sys, wandb
from wandb_track_core import TaskIdentity, TrackedRun

def trial():
    with wandb.init(config={"lr": 9, "depth": 3}) as run:
        run.config.update({"lr": 8})  # what the sweep chose stays
        wandb.log({"score": run.config["lr"] * 2})
        if run.config["lr"] == 0.2:
            raise ValueError("this trial fails")

def search():
    sweep = wandb.sweep({"method": "grid", "parameters": {"lr": {"values": [0.1, 0.2]}}}, project=sys.argv[1])
    wandb.agent(sweep, function=trial, project=sys.argv[1], count=2)

if sys.argv[1] == "plain":
    search()
else:
    with TrackedRun(TaskIdentity("chain", "search", key=("e1",)), project="tracked") as run:
        wandb.log({"a": 1})
        search()
        assert wandb.run is run
        wandb.log({"a": 2})
"""


def test_the_trials_of_a_sweep_inside_a_task_are_what_they_are_with_plain_wandb(wandb_online, tmp_path):
    # Two processes side by side, as an agent waits for seconds between its trials.
    env, found = {**os.environ, "WANDB_SILENT": "false"}, {}
    with ThreadPoolExecutor() as pool:
        for project in ("plain", "tracked"):
            (tmp_path / project).mkdir()
            folder = {**env, "WANDB_DIR": str(tmp_path / project)}
            found[project] = pool.submit(run_python, SWEEP, folder, project, cwd=tmp_path / project)
    said = found["tracked"].result().stderr
    assert "wandb-track:" not in said
    assert "Ignored" not in said

    def trials(project):
        runs = [run for run in wandb_online.runs.values() if run.project == project and run.sweep]
        assert all(run.id.startswith(run.sweep) for run in runs)
        return [(run.config, run.summary["score"], len(run.history), run.exit_code) for run in runs]

    assert trials("tracked") == trials("plain")
    assert [exit_code for *_, exit_code in trials("tracked")] == [0, 1]
    (own,) = [run for run in wandb_online.runs.values() if run.project == "tracked" and not run.sweep]
    assert ([row["a"] for row in own.history], own.exit_code) == ([1, 2], 0)


def test_a_teardown_inside_a_task_finishes_the_runs_of_its_own_alone(wandb_online, capsys):
    with tracked(mode="online") as run:
        wandb.init(id="own", reinit=True).log({"a": 1})
        wandb.teardown()
        assert wandb.run is run
        wandb.log({"b": 1})
    runs = {key[-1]: run for key, run in wandb_online.runs.items()}
    assert {name: run.exit_code for name, run in runs.items()} == {"e1-n0-0": 0, "own": 0}
    assert [row["b"] for row in runs["e1-n0-0"].history] == [1]
    assert capsys.readouterr().err == ""


def test_trials_inside_an_offline_or_disabled_task_are_as_it_is(wandb_online, monkeypatch, tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text("wandb_version: 1\n\nlr:\n  value: 0.1\n")
    seen = []

    def agent(sweep_id):
        monkeypatch.setenv("WANDB_SWEEP_ID", sweep_id)
        monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(path))
        monkeypatch.setenv("WANDB_RUN_ID", "trial")
        with wandb.init() as run:
            seen.append((run.disabled, run.offline, run.config["lr"]))
        monkeypatch.delenv("WANDB_SWEEP_ID")

    monkeypatch.setitem(_module._clients, "agent", agent)
    for mode in ("offline", "disabled"):
        with tracked(mode=mode):
            wandb.agent("s1")
    assert [(disabled, lr) for disabled, _, lr in seen] == [(False, 0.1), (True, 0.1)]
    assert seen[0][1]
    assert not wandb_online.runs
