"""What the decorator is given: required, plain, and passed on to `wandb.init`."""

import pytest
from flytekit import FlyteDirectory, FlyteFile, LaunchPlan, Secret, map_task, task, workflow
from flytekit.extras.tasks.shell import ShellTask
from wandb_track_flyte import ArgumentError, wandb_init

SECRET = Secret(group="wandb", key="WANDB_API_KEY")
GIVEN = {"project": "p", "entity": "e", "secret": SECRET}


@pytest.mark.parametrize("name", ["project", "entity", "secret"])
def test_a_required_argument_that_is_missing_is_a_value_error_that_names_it(name):
    given = {key: value for key, value in GIVEN.items() if key != name}
    with pytest.raises(ValueError, match=f"^{name} is missing") as raised:
        wandb_init(**given)
    assert isinstance(raised.value, ArgumentError)


def test_the_bare_decorator_says_what_it_misses():
    with pytest.raises(ValueError, match=r"^project is missing"):

        @wandb_init
        def train():
            """Never reached."""


def test_arguments_without_their_names_are_refused_by_what_python_takes_the_first_one_for():
    with pytest.raises(ArgumentError, match=r"^@wandb_init must be above .*, not 'p'\. .* Arguments need their names"):
        wandb_init("p", "e", SECRET)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"project": ""}, "project"),
        ({"entity": 3}, "entity"),
        ({"id": 7}, "id"),
        ({"host": None}, "host"),
        ({"api_host": "api.my-server.com"}, "api_host"),
        ({"project": FlyteFile("data.csv")}, "project"),
        ({"tags": ["a", FlyteFile("data.csv")]}, "tags"),
        ({"config": {"data": {"train": FlyteDirectory("data")}}}, "config"),
        ({"dir": FlyteFile("data.csv")}, "dir"),
        ({"on_error": "ignore"}, "on_error"),
        ({"init_timeout": 0}, "init_timeout"),
        ({"finish_timeout": "1 minute"}, "finish_timeout"),
        ({"ranks": "some"}, "ranks"),
        ({"api_key": "x"}, "api_key"),
        ({"base_url": "http://x"}, "base_url"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named_when_the_decorator_is_read(arguments, named):
    with pytest.raises(ArgumentError, match=f"^{named} (is missing|must be|must begin|cannot be|takes no)"):
        wandb_init(**{**GIVEN, **arguments})


def test_a_promise_where_a_plain_value_belongs_is_named_while_the_workflow_is_compiled():
    @task
    def name_it() -> str:
        return "experiments"

    @workflow
    def train() -> str:
        name = name_it()
        wandb_init(project=name, entity="e", secret=SECRET)
        return name

    with pytest.raises(ArgumentError, match=r"^project must be a plain value, not .*Promise"):
        train()


def test_a_function_that_is_no_task_says_so_when_a_workflow_calls_it():
    @wandb_init(**GIVEN)
    def train(x: int) -> int:
        return x

    @workflow
    def training(x: int = 1) -> int:
        return train(x=x)

    with pytest.raises(ArgumentError, match="Use @task above it"):
        training()


def test_what_has_no_python_function_of_its_own_says_what_to_decorate():
    @task
    def train(x: int) -> int:
        return x

    @workflow
    def training(x: int = 1) -> int:
        return train(x=x)

    decorate = wandb_init(**GIVEN)
    shell = ShellTask(name="list", script="ls")
    for target in (map_task(train), training, LaunchPlan.get_or_create(training), shell, "train"):
        with pytest.raises(ArgumentError, match=r"that runs a Python function, .* decorate the tasks themselves"):
            decorate(target)


def test_the_decorator_can_be_called_with_the_task_or_the_function():
    @task
    def train(x: int) -> int:
        return x

    def evaluate(x: int) -> int:
        return x

    assert wandb_init(train, **GIVEN) is train
    assert isinstance(train.task_function, wandb_init)
    assert isinstance(wandb_init(task_function=evaluate, **GIVEN), wandb_init)


def test_all_that_wandb_init_takes_reaches_the_run_and_settings_stay_as_they_were(bench):
    import wandb

    settings = wandb.Settings(run_tags=("from settings",), console="off")
    before = settings.model_dump()

    @wandb_init(
        **GIVEN,
        name="my name",
        group="my group",
        job_type="my type",
        notes="my notes",
        config={"lr": 0.1, "nested": {"a": [1, 2]}},
        mode="offline",
        settings=settings,
    )
    @task
    def train(x: int) -> int:
        return x

    assert train(x=1) == 1
    run = bench.run()
    assert (run.name, run.group, run.job_type, run.notes) == ("my name", "my group", "my type", "my notes")
    assert (run.project, run.entity) == ("p", "e")
    assert run.config["lr"] == 0.1
    assert run.config["nested"] == {"a": [1, 2]}
    assert run.tags == ["from settings"]
    assert settings.model_dump() == before


def test_a_runs_folder_is_a_flyte_directory_an_input_that_is_one_or_a_path(bench, load, place):
    """`dir` names an input where there is one of that name."""
    folders = {name: place / name for name in ("given", "input", "text")}
    for folder in folders.values():
        folder.mkdir()

    @wandb_init(**GIVEN, dir=FlyteDirectory(str(folders["given"])))
    @task
    def given(x: int) -> int:
        return x

    @wandb_init(**GIVEN, dir="logs")
    @task
    def text(logs: str, x: int) -> int:
        return x

    @wandb_init(**GIVEN, dir="logs")
    @task
    def wrong(logs: FlyteFile, x: int) -> int:
        return x

    given(x=1)
    load("kinds").into_input(logs=FlyteDirectory(str(folders["input"])), x=1)
    text(logs=str(folders["text"]), x=1)
    with pytest.raises(ArgumentError, match=r"dir must be a path.*, not a flytekit.types.file"):
        wrong(logs=FlyteFile(__file__), x=1)
    assert [run.folder.parent.parent for run in bench.runs(3)] == list(folders.values())


@pytest.mark.parametrize("off", ["mode", "rank"])
def test_a_folder_that_no_run_needs_is_not_downloaded(monkeypatch, place, off):
    """Where tracking is switched off, and in the processes of a distributed task that open no run."""
    if off == "rank":
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")
    asked = []
    remote = FlyteDirectory(str(place / "given"), downloader=lambda: asked.append("given"))

    @wandb_init(**GIVEN, dir="logs", mode="disabled" if off == "mode" else "offline")
    @task
    def train(logs: FlyteDirectory) -> int:
        return 1

    assert train.task_function(logs=remote) == 1
    assert asked == []
