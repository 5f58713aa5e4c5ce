"""What people do inside a tracked Flyte task."""

import functools
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import wandb
from flytekit import Secret, dynamic, task
from flytekit.core.utils import ClassDecorator
from wandb_track_flyte import current_run, wandb_init, wandb_track

SECRET = Secret(group="wandb", key="WANDB_API_KEY")
track = functools.partial(wandb_init, project="kinds", entity="my-team", secret=SECRET)


@track()
@task
def everything(x: int) -> int:
    run = current_run()
    Path("m.bin").write_text("weights")
    run.log_model("m.bin", name="a")
    wandb.log_model(path="m.bin")
    run.log_artifact("m.bin", name="b", type="model")
    assert wandb.init(config={"own": x}, tags=["mine"]) is run
    with wandb.init(reinit=True, id=f"extra-{x}") as extra:
        extra.log({"extra": x})
    Path(f"{wandb.run.name}.txt").write_text("x")
    wandb.Artifact(f"model-{wandb.run.name}", type="model")
    thread = threading.Thread(target=lambda: wandb.log({"thread": x}))
    thread.start()
    thread.join()
    wandb.finish()
    assert wandb.run is None
    wandb_track("late", x)
    return x


@track()
@task
def inner(x: int) -> int:
    thread = threading.Thread(target=lambda: (wandb.log({"inner": x}), current_run().log({"inner": x + 1})))
    thread.start()
    thread.join()
    return x


@track()
@task
def outer(x: int) -> int:
    inner(x=x)
    wandb.log({"outer": x})
    return x


@track()
@dynamic
def planning(x: int) -> int:
    return inner(x=x)


@track()
@task
def numbers(n: int) -> Iterator[int]:
    for i in range(n):
        wandb.log({"i": i})
        if i == 2:
            raise ValueError("in the middle")
        yield i


@task
@track()
def numbers_below(n: int) -> Iterator[int]:
    for i in range(n):
        wandb.log({"i": i})
        yield i


@track()
async def stream(n: int):
    for i in range(n):
        wandb.log({"i": i})
        yield i


@track()
@task
def wrong_type(x: int) -> str:
    wandb.log({"x": x})
    return x


class with_source(ClassDecorator):
    """A decorator that asks for the function's source, as flytekit's own `vscode` does."""

    def execute(self, *args, **kwargs):
        assert Path(inspect.getsourcefile(self.task_function)) == Path(__file__)
        return self.task_function(*args, **kwargs)

    def get_extra_config(self):
        return {}


@task
@with_source
@track()
def sourced(x: int) -> int:
    wandb.log({"x": x})
    return x


CHILD = "import wandb; wandb.init(project='kinds', entity='my-team', id='child').finish()"


@track(api_host=os.environ.get("WANDB_TEST_HOST", "https://api.wandb.ai"))
@task
def needs_key(x: int) -> str:
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    return str(wandb.Api().viewer.username)


Kept = Annotated[int, "unused"]
