"""The example that users know, as written, in both orders, by the commands that users and the platform call."""

import pytest
from wandb_track_testing.plugin import valid_key

TASKS = {"above": "train_model", "below": "train_model_below"}
WORKFLOWS = {"above": "training_workflow", "below": "training_workflow_below"}
URL = "https://flyte.test/console/projects/flytesnacks/domains/development/executions/f6af03c1/nodeId/n0/nodes"
GIVEN = {"learning_rate": 0.01, "epochs": 10}


def check(run, epochs):
    """What the example logs, on a run read back from disk or from the server."""
    assert (run.entity, run.project) == ("my-team", "my-flyte-experiments")
    assert run.values("loss") == [1.0 / (epoch + 1) for epoch in range(epochs)]
    assert run.values("accuracy") == [0.5 + epoch * 0.05 for epoch in range(epochs)]
    assert run.values("epoch") == list(range(epochs))
    assert run.values("final_accuracy") == [0.95]
    assert {key: run.config[key] for key in GIVEN} == GIVEN
    assert run.tags == ["flyte", "example", "training"]
    assert run.exit_code == 0


def check_container(run):
    """What follows from where the task ran."""
    assert run.id == "f6af03c1-n0-0"
    assert run.notes == f"[Execution URL]({URL})"
    assert run.config["flyte"]["execution"] == "f6af03c1"
    assert run.config["flyte"]["attempt"] == 0


def key_in_files(place):
    files = [path for path in place.rglob("*") if path.is_file()]
    return [path for path in files if valid_key.encode() in path.read_bytes()]


@pytest.mark.parametrize("order", ["above", "below"])
def test_pyflyte_run_without_a_login_keeps_the_run_offline_and_says_so_in_one_line(bench, order):
    said = bench.pyflyte_run("seed", WORKFLOWS[order], "--num_epochs", "3", WANDB_MODE=None)
    run = bench.run()
    check(run, epochs=3)
    assert run.notes == ""
    ours = [line for line in said.splitlines() if line.startswith("wandb-track:")]
    assert len(ours) == 1
    assert f"wandb-track sync {run.folder.parent}" in ours[0]


@pytest.mark.parametrize(("order", "kept"), [("above", "variable"), ("below", "netrc"), ("above", "secret")])
def test_pyflyte_run_writes_to_the_server_with_the_secret_or_else_the_users_own_login(
    bench, place, order, kept, standin
):
    """Where the secret is not there locally, what `wandb login` left serves: its variable, or an entry in netrc."""
    env = {**standin.env(), "WANDB_API_KEY": None}
    if kept == "netrc":
        machine = standin.url.removeprefix("http://")
        (place / "netrc").write_text(f"machine {machine}\n  login user\n  password {valid_key}\n")
        env["NETRC"] = str(place / "netrc")
    else:
        env[{"variable": "WANDB_API_KEY", "secret": "_FSEC_WANDB_WANDB_API_KEY"}[kept]] = valid_key
    bench.pyflyte_run("seed", WORKFLOWS[order], **env)
    (place / "netrc").unlink(missing_ok=True)
    check(standin.run, epochs=5)
    assert standin.run.keys == {valid_key}
    assert len(standin.run.id) == 8


@pytest.mark.parametrize("order", ["above", "below"])
def test_pyflyte_execute_offline_needs_no_key(bench, order):
    container = bench.container("seed", TASKS[order], {"epochs": 4})
    outcome = bench.execute_in_process_of_its_own(container, _FSEC_WANDB_WANDB_API_KEY=None)
    assert outcome.outputs == {"o0": 0.95}
    run = bench.run()
    check(run, epochs=4)
    check_container(run)


@pytest.mark.parametrize("order", ["above", "below"])
def test_pyflyte_execute_writes_to_the_server_with_the_key_of_the_secret_and_leaves_it_nowhere(
    bench, place, order, standin
):
    container = bench.container("seed", TASKS[order], {"epochs": 4})
    outcome = bench.execute_in_process_of_its_own(
        container, WANDB_MODE="online", WANDB_BASE_URL=standin.url, WANDB_API_KEY=None
    )
    assert outcome.outputs == {"o0": 0.95}
    check(standin.run, epochs=4)
    check_container(standin.run)
    assert standin.run.keys == {valid_key}
    assert valid_key not in outcome.said
    assert key_in_files(place) == []


def test_pyflyte_map_execute_by_its_command(bench, standin):
    """One element of a map task over the example, in a process of its own."""
    container = bench.container("seed", "train_model", {"epochs": [1, 2]}, index=1)
    bench.execute_in_process_of_its_own(container, WANDB_MODE="online", WANDB_BASE_URL=standin.url)
    check(standin.run, epochs=2)
    assert standin.run.id == "f6af03c1-n0-0-n1-0"


def test_a_server_that_cannot_be_reached_does_not_change_a_tasks_result(bench):
    """Connection refused: the run goes on offline, and one line at the end says how to sync it."""
    container = bench.container("refused", "train", {"x": 4})
    outcome = bench.execute_in_process_of_its_own(container, WANDB_MODE="online", WANDB_BASE_URL="http://127.0.0.1:9")
    assert outcome.outputs == {"o0": 5}
    (run,) = bench.runs(1, "offline-run-*")
    assert run.values("x") == [4]
    ours = [line for line in outcome.said.splitlines() if line.startswith("wandb-track:")]
    assert len(ours) == 1
    assert run.folder.name in ours[0]
