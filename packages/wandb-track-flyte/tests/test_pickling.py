"""Tracked functions and tasks travel as cloudpickle, as elastic tasks and notebooks send them to other processes."""

import os
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
from flytekit import Secret, task
from wandb_track_flyte import current_run, wandb_init

# What flytekitplugins-kfpytorch runs in each process that an Elastic task starts.
WORKER = """
import sys
from pathlib import Path
import cloudpickle
from flytekit.bin.entrypoint import setup_execution

with setup_execution(raw_output_data_prefix=sys.argv[2]):
    function = cloudpickle.loads(Path(sys.argv[1]).read_bytes())
    print("returned", function(x=4))
"""


def make(order, asynchronous=False):
    track = wandb_init(project="p", entity="e", secret=Secret(group="wandb", key="WANDB_API_KEY"), mode="disabled")

    def train(x: int) -> int:
        return x + 1 if repr(current_run()).startswith("<QuietRun") else 0

    async def train_async(x: int) -> int:
        return x + 1 if repr(current_run()).startswith("<QuietRun") else 0

    function = train_async if asynchronous else train
    return track(task(function)) if order == "above" else task(track(function))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("order", ["above", "below"])
def test_a_task_and_its_function_come_back_from_a_pickle_as_they_were(order, asynchronous):
    import asyncio
    import inspect

    tracked = make(order, asynchronous)
    for sent in (tracked.task_function, tracked):
        back = cloudpickle.loads(cloudpickle.dumps(sent))
        function = getattr(back, "task_function", back) if back is not sent and sent is tracked else back
        assert isinstance(function, wandb_init)
        assert function.decorator_kwargs["project"] == "p"
        assert inspect.iscoroutinefunction(function) is asynchronous
        result = back(x=4)
        assert (asyncio.run(result) if asynchronous else result) == 5


def test_a_process_that_an_elastic_task_starts_runs_tracked_under_the_name_of_the_pod(bench, load, tmp_path):
    """It gets the function as a pickle, and of the execution only the environment and where raw outputs go."""
    (tmp_path / "function.pkl").write_bytes(cloudpickle.dumps(load("kinds").above.task_function))
    container = bench.container("kinds", "above", {"x": 4})
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path / "function.pkl"), str(container.raw_prefix)],
        env={**os.environ, **container.environment(HOSTNAME="ip-10-0-3-7")},
        cwd=Path(__file__).parent / "flows",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "returned 5" in done.stdout, done.stderr
    run = bench.run()
    assert run.id == "f6af03c1-n0-0"
    assert run.values("x") == [4]
    assert run.config["flyte"]["execution"] == "f6af03c1"
