"""A tracked run: opened, made current, and closed with the task's true outcome, whatever runs beside it."""

import asyncio
import concurrent.futures
import copy
import itertools
import os
import pickle
import sys
import threading
import traceback

import pytest
import wandb
from wandb_track_core import ArgumentError, NoCurrentRunError, QuietRun, TaskIdentity, TrackedRun, current_run
from wandb_track_core.adapters import unexpected_argument
from wandb_track_testing import offline
from wandb_track_testing.plugin import isolated_env, run_python

IDENTITY = TaskIdentity(
    "chain", "train", key=("e1", "n0"), workflow="wf", execution="e1", url="https://chain.example/e1"
)


def find_runs(folder):
    """The runs below a folder, once the service has written all that it holds."""
    wandb.teardown()
    return offline.find_runs(folder)


def tracked(number=0, **arguments):
    return TrackedRun(IDENTITY._replace(key=("e1", f"n{number}")), **{"project": "p", "mode": "offline", **arguments})


def test_what_follows_from_the_identity_is_on_the_run(wandb_env):
    with tracked(config={"lr": 0.1}, notes="mine", tags=["a"]) as run:
        run.log({"loss": 1.0})
    (kept,) = find_runs(wandb_env)
    assert (kept.id, kept.name, kept.group, kept.job_type) == ("e1-n0-0", "wf-e1-train-n0", "wf/e1", "train")
    assert kept.notes == "[Execution URL](https://chain.example/e1)\nmine"
    assert kept.config["lr"] == 0.1
    assert kept.config["chain"]["execution"] == "e1"
    assert kept.tags == ["a"]
    assert kept.exit_code == 0


def test_what_the_user_gives_wins_over_settings_these_over_the_environment_and_that_over_the_identity(
    wandb_env, monkeypatch
):
    monkeypatch.setenv("WANDB_NAME", "from environment")
    monkeypatch.setenv("WANDB_JOB_TYPE", "from environment")
    monkeypatch.setenv("WANDB_RUN_ID", "no-task-is-called-so")
    settings = wandb.Settings(run_group="from settings", run_name="from settings")
    with tracked(settings=settings, group="given"):
        pass
    (kept,) = find_runs(wandb_env)
    assert (kept.group, kept.name, kept.job_type) == ("given", "from settings", "from environment")
    assert kept.id == "e1-n0-0"


def test_a_settings_object_that_was_given_is_not_changed(wandb_env):
    settings = wandb.Settings(run_notes="mine")
    before = settings.model_dump()
    with tracked(settings=settings, id="given"):
        pass
    assert settings.model_dump() == before
    with tracked(1, settings=settings) as run:
        assert run.id == "e1-n1-0"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (ValueError("broken"), 1),
        (SystemExit(), 0),
        (SystemExit(0), 0),
        (SystemExit(3), 3),
        (SystemExit("a text"), 1),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 1),
    ],
    ids=repr,
)
def test_the_exit_code_tells_how_the_task_ended_and_its_error_goes_on_unchanged(wandb_env, error, code):
    def task():
        if error is not None:
            raise error

    caught = None
    try:
        with tracked():
            task()
    except BaseException as raised:
        caught = raised
    assert caught is error
    if error is not None:
        assert traceback.extract_tb(caught.__traceback__)[-1].name == "task"
        assert caught.__context__ is None
    (kept,) = find_runs(wandb_env)
    assert kept.exit_code == code
    assert ("exception" in kept.summary) == (code != 0)


def test_type_and_message_of_the_exception_are_kept_on_the_run(wandb_env):
    with pytest.raises(KeyError), tracked():
        raise KeyError("no such column")
    (kept,) = find_runs(wandb_env)
    assert kept.summary["exception"] == {"type": "KeyError", "message": "'no such column'"}


def test_an_exception_whose_text_cannot_be_had_is_still_the_users_own(wandb_env):
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError("no text")

        __repr__ = __str__

    with pytest.raises(Unspeakable), tracked():
        raise Unspeakable
    (kept,) = find_runs(wandb_env)
    assert kept.summary["exception"]["type"].endswith("Unspeakable")
    assert "RuntimeError" in kept.summary["exception"]["message"]
    assert kept.exit_code == 1


def test_a_task_inside_a_task_has_its_own_run_and_afterwards_the_outer_one_is_current_again(wandb_env):
    with tracked() as outer:
        wandb.log({"outer": 1})
        with tracked(1) as inner:
            assert current_run() is wandb.run is inner
            wandb.log({"inner": 1})
            wandb.config.update({"of": "inner"})
            wandb.summary["of"] = "inner"
        assert current_run() is wandb.run is outer
        wandb.log({"outer": 2})
        wandb.summary["of"] = "outer"
    kept = {run.id: run for run in find_runs(wandb_env)}
    assert kept["e1-n0-0"].values("outer") == [1, 2]
    assert kept["e1-n0-0"].summary["of"] == "outer"
    assert "of" not in kept["e1-n0-0"].config
    assert kept["e1-n1-0"].values("inner") == [1]
    assert kept["e1-n1-0"].config["of"] == kept["e1-n1-0"].summary["of"] == "inner"
    assert not kept["e1-n1-0"].values("outer")


def test_a_nested_task_that_fails_leaves_the_outer_one_whole(wandb_env):
    with tracked():
        with pytest.raises(ValueError, match="inner"), tracked(1):
            raise ValueError("inner")
        wandb.log({"after": 1})
    kept = {run.id: run for run in find_runs(wandb_env)}
    assert (kept["e1-n0-0"].exit_code, kept["e1-n1-0"].exit_code) == (0, 1)
    assert kept["e1-n0-0"].values("after") == [1]


def test_a_run_that_we_did_not_open_is_never_finished_and_is_the_global_one_again(wandb_env):
    own = wandb.init(project="mine", id="own")
    with tracked() as run:
        assert wandb.run is run
        wandb.log({"ours": 1})
    assert wandb.run is own
    wandb.log({"mine": 1})
    own.finish()
    assert wandb.run is None
    kept = {each.id: each for each in find_runs(wandb_env)}
    assert kept["own"].values("mine") == [1]
    assert not kept["own"].values("ours")


def test_plain_wandb_init_inside_a_task_gives_the_tasks_run(wandb_env):
    with tracked() as run:
        assert wandb.init() is run
    assert len(find_runs(wandb_env)) == 1


def test_plain_wandb_init_gives_each_of_several_tasks_at_once_its_own_run(wandb_env):
    """Asyncio tasks, and threads."""

    async def task(number):
        async with tracked(number) as run:
            await asyncio.sleep(0.01)
            assert wandb.init() is run
            wandb.init().log({"number": number})

    async def main():
        await asyncio.gather(*(task(number) for number in range(3)))

    def work(number):
        with tracked(number):
            ready.wait()
            wandb.init().log({"number": number})

    asyncio.run(main())
    ready = threading.Barrier(3)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3, 6)))
    assert {run.id: run.values("number") for run in find_runs(wandb_env)} == {f"e1-n{n}-0": [n] for n in range(6)}


def test_plain_wandb_init_in_a_task_that_is_not_tracked_gives_its_quiet_run(wandb_env):
    before = wandb.init
    with tracked(mode="disabled") as quiet:
        with wandb.init(config={"lr": 1}) as run:
            run.log({"loss": 1})
        assert run is quiet
        assert quiet.config.lr == 1
        with tracked(1) as inner:
            assert wandb.init() is inner
    assert wandb.init is before
    assert [run.id for run in find_runs(wandb_env)] == ["e1-n1-0"]


def test_a_task_that_finishes_its_run_itself_ends_as_it_would_have(wandb_env):
    with tracked():
        wandb.log({"loss": 1.0})
        wandb.finish()
        with pytest.raises(wandb.Error):
            wandb.log({"too": "late"})
    (kept,) = find_runs(wandb_env)
    assert kept.values("loss") == [1.0]
    assert wandb.run is None


def test_a_task_that_replaces_the_global_run_does_so_only_for_itself(wandb_env):
    with tracked() as run:
        wandb.run = None
        assert wandb.run is None
        assert current_run() is run
    with tracked(1) as run:
        assert wandb.run is run
    assert {kept.exit_code for kept in find_runs(wandb_env)} == {0}


@pytest.mark.slow
def test_200_asyncio_tasks_each_log_to_their_own_run(wandb_env):
    async def task(number):
        async with tracked(number) as run:
            await asyncio.sleep(0.01)
            assert current_run() is wandb.run is run
            wandb.log({"number": number})
            current_run().summary["number"] = number

    async def main():
        await asyncio.gather(*(task(number) for number in range(200)))

    asyncio.run(main())
    kept = {run.id: run for run in find_runs(wandb_env)}
    assert len(kept) == 200
    for number in range(200):
        run = kept[f"e1-n{number}-0"]
        assert run.values("number") == [number]
        assert (run.summary["number"], run.exit_code) == (number, 0)


def test_32_threads_each_log_to_their_own_run(wandb_env):
    failures = []

    def task(number):
        try:
            with tracked(number):
                for step in range(3):
                    wandb.log({"number": number, "step": step})
                assert current_run().id == f"e1-n{number}-0"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=task, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    kept = find_runs(wandb_env)
    assert len(kept) == 32
    assert all(set(run.values("number")) == {int(run.id.split("-")[1][1:])} for run in kept)


@pytest.mark.parametrize("order", list(itertools.permutations("abc")), ids="".join)
def test_runs_that_are_not_closed_in_the_order_of_their_opening_never_leave_a_closed_one_current(order):
    halves = {name: TrackedRun(IDENTITY, mode="disabled") for name in "abc"}
    runs = {name: half.open() for name, half in halves.items()}
    for number, name in enumerate(order, 1):
        halves[name].close()
        left = [run for name, run in runs.items() if name not in order[:number]]
        if left:
            assert current_run() is left[-1]
    with pytest.raises(NoCurrentRunError):
        current_run()


@pytest.mark.parametrize("times", [1, 2])
def test_a_task_that_is_cancelled_while_its_run_opens_ends_that_run_as_failed(wandb_env, times):
    async def main():
        task = asyncio.create_task(enter())
        for _ in range(times):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        with pytest.raises(NoCurrentRunError):
            current_run()

    async def enter():
        async with tracked():
            raise AssertionError("the task was cancelled before")

    asyncio.run(main())
    (kept,) = find_runs(wandb_env)
    assert kept.exit_code == 1
    assert kept.summary["exception"]["type"] == "asyncio.exceptions.CancelledError"


def test_a_thread_of_the_task_finds_the_only_open_run(wandb_env):
    def work():
        current_run().log({"from": "thread"})
        wandb.log({"plain": "thread"})

    with tracked():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    (kept,) = find_runs(wandb_env)
    assert kept.values("from") == kept.values("plain") == ["thread"]


def in_thread(work):
    """What a call gives in a thread without a context, or raises."""
    found = []

    def call():
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_without_a_context_belongs_to_the_innermost_task(wandb_env):
    with tracked() as outer:
        with tracked(1) as inner:
            assert in_thread(current_run) is inner
            in_thread(lambda: wandb.log({"inner": 1}))
        assert in_thread(current_run) is outer
        in_thread(lambda: wandb.log({"outer": 1}))
    runs = {run.id: run for run in find_runs(wandb_env)}
    assert (runs["e1-n0-0"].values("outer"), runs["e1-n1-0"].values("inner")) == ([1], [1])


def test_a_thread_gets_a_clear_error_where_tasks_run_side_by_side_but_plain_wandb_never_raises(wandb_env):
    async def task(number, barrier):
        async with tracked(number):
            await barrier.wait()
            if number == 0:
                error = await asyncio.to_thread(in_thread, current_run)
                assert "2 tasks run side by side" in str(error)
                assert "copy_context" in str(error)
                assert await asyncio.to_thread(in_thread, lambda: wandb.log({"a": 1})) is None
            await barrier.wait()

    class Barrier:
        def __init__(self):
            self.count = 0

        async def wait(self):
            self.count += 1
            aim = (self.count + 1) // 2 * 2
            while self.count < aim:
                await asyncio.sleep(0.01)

    async def both():
        barrier = Barrier()
        await asyncio.gather(task(0, barrier), task(1, barrier))

    asyncio.run(both())


def test_outside_of_a_task_there_is_no_current_run_and_the_error_says_what_to_do():
    with pytest.raises(NoCurrentRunError, match="call it below the decorated function"):
        current_run()


def test_after_the_end_logging_to_the_run_is_refused_by_the_client_itself(wandb_env):
    with tracked() as run:
        pass
    with pytest.raises(wandb.UsageError, match="finished"):
        run.log({"late": 1})


DISABLED = """
import os, sys
from wandb_track_core import TaskIdentity, TrackedRun, current_run
with TrackedRun(TaskIdentity("chain", "train", key=("e1",)), project="p", config={"lr": 1}, mode=MODE) as run:
    current_run().log({"loss": 1})
    current_run().summary["best"] = 2
    assert current_run().config.lr == 1 and not current_run().use_artifact("x:latest")
    with run.watch(None):
        pass
    assert "wandb" not in sys.modules, "wandb was imported"
    import wandb
    wandb.log({"plain": 1})
    wandb.config.update({"a": 1}); wandb.config.b = 2
    assert wandb.run is run and wandb.config["a"] == 1
try:
    wandb.log({"late": 1})
except wandb.Error:
    print("as before")
print(sorted(os.listdir(os.environ["WANDB_DIR"])), "WANDB_SERVICE" in os.environ)
"""


@pytest.mark.parametrize(("variable", "argument"), [("disabled", "None"), ("offline", "'disabled'")])
def test_switched_off_nothing_is_imported_started_or_written_and_plain_wandb_is_quiet_too(tmp_path, variable, argument):
    done = run_python(DISABLED.replace("MODE", argument), isolated_env(tmp_path, WANDB_MODE=variable))
    assert done.stdout == "as before\n['home'] False\n"


def test_importing_the_core_imports_neither_the_client_nor_anything_heavy(tmp_path):
    code = (
        "import sys; before = set(sys.modules); import wandb_track_core;"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} & "
        "{'wandb', 'pandas', 'torch', 'sklearn', 'asyncio', 'dataclasses', 'inspect', 'logging'}))"
    )
    assert run_python(code, isolated_env(tmp_path)).stdout.strip() == "[]"


def test_a_tracked_run_cannot_be_pickled_and_shows_no_key():
    run = TrackedRun(IDENTITY, api_key="k" * 40, project="p")
    assert "kkkk" not in repr(run)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(run)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"on_error": "ignore"}, "on_error"),
        ({"init_timeout": "5"}, "init_timeout"),
        ({"finish_timeout": -1}, "finish_timeout"),
        ({"ranks": "second"}, "ranks"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_at_once_by_name(arguments, named):
    with pytest.raises(ArgumentError, match=named) as raised:
        TrackedRun(IDENTITY, **arguments)
    assert isinstance(raised.value, ValueError)
    assert repr(arguments[named]) in str(raised.value)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_argument_error_can_be_copied_and_sent_to_another_process_and_does_not_keep_what_was_given(again):
    error = ArgumentError("secret", "must be a function", "5ec4e7", is_secret=True)
    same = again(error)
    assert (type(same), str(same), same.argument) == (ArgumentError, str(error), "secret")
    assert "5ec4e7" not in repr(vars(error)) + repr(error.args)


def test_tags_given_as_one_text_are_refused_before_they_become_letters(wandb_env):
    with pytest.raises(ArgumentError, match=r"tags=\['best'\]"):
        tracked(tags="best").open()
    assert find_runs(wandb_env) == []


def test_an_unknown_argument_of_wandb_init_raises_before_the_task_runs(wandb_env):
    with pytest.raises(TypeError, match=r"unexpected argument 'porject'. Did you mean 'project'"):
        tracked(porject="typo").open()
    assert "wandb_track_core.current" in sys.modules
    with pytest.raises(NoCurrentRunError):
        current_run()


@pytest.mark.parametrize("given", [{"config": "missing.yaml"}, {"base_url": "api.my-server.com"}, {"group": 3}])
def test_an_argument_that_the_client_refuses_raises_as_in_plain_wandb(wandb_env, given):
    """Before, the task went on untracked, and the tracker was blamed."""
    with pytest.raises(Exception, match=next(iter(given))):
        tracked(**given).open()


def test_cloudpickle_still_takes_the_wandb_module_by_its_name(wandb_env):
    cloudpickle = pytest.importorskip("cloudpickle")
    with tracked():
        assert pickle.loads(cloudpickle.dumps(wandb)) is wandb


def test_a_quiet_run_answers_every_call_and_keeps_the_config_readable():
    run = QuietRun({"lr": 0.1})
    assert run.config["lr"] == run.config.lr == 0.1
    run.config.setdefaults({"lr": 0.2, "batch": 8})
    assert run.config.as_dict() == {"lr": 0.1, "batch": 8}
    assert run.log({"a": 1}) is None
    assert not run.log_artifact("artifact").wait().version
    assert not run.use_artifact("a:latest")
    assert list(run.scan_history()) == []
    with run as same:
        assert same is run


def test_a_quiet_run_has_values_of_the_same_types_as_a_disabled_run_of_the_client(wandb_env):
    """What tells the client's own state (its settings, what it shows in a notebook) may be missing there."""
    theirs, ours = wandb.init(mode="disabled", config={"a": 1}), QuietRun({"a": 1})
    plain = (str, int, float, tuple, type(None))
    names = [name for name in dir(theirs) if not name.startswith("_")]
    values = {name: getattr(theirs, name) for name in names}
    kinds = {name: type(value) for name, value in values.items() if isinstance(value, plain)}
    assert {"id", "name", "dir", "start_time", "sweep_id", "tags"} <= set(kinds)
    assert {name: type(getattr(ours, name)) for name in kinds} == kinds


def test_a_quiet_run_has_an_empty_folder_once_it_is_asked_for_it():
    run = QuietRun()
    folder = run.dir
    with open(os.path.join(folder, "model.bin"), "w") as file:
        file.write("model")
    assert os.listdir(folder) == ["model.bin"]
    del run
    assert not os.path.exists(folder)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ArgumentError("datasets", "must be True or False", "yes"), "datasets must be True or False, not 'yes'."),
        (ArgumentError("key", "must be a function", "x" * 40), "key must be a function, not a str."),
        (ArgumentError("key", "must be a function", "x", is_secret=True), "key must be a function, not a str."),
        (ArgumentError("id", "must be a str", [1]), "id must be a str, not a list."),
        (ArgumentError("project", "is missing", remedy="Use project=..."), "project is missing. Use project=..."),
        (
            unexpected_argument("wandb_log()", "dataset", ["models", "datasets"]),
            "wandb_log() got an unexpected argument 'dataset'. Did you mean 'datasets'?",
        ),
    ],
)
def test_an_argument_error_shows_the_value_unless_it_could_be_a_key(error, message):
    assert str(error) == message
