"""One task of each kind that flytekit has, above and below the decorator."""

import asyncio
import functools
import os
import sys

import wandb
from flytekit import FlyteDirectory, Secret, dynamic, eager, map_task, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException
from wandb_track_flyte import current_run, wandb_init

SECRET = Secret(group="wandb", key="WANDB_API_KEY")
track = functools.partial(wandb_init, project="kinds", entity="my-team", secret=SECRET)


def twice(function):
    """Another decorator, of the usual kind."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return call


@track()
@task
def above(x: int) -> int:
    current_run().log({"x": x})
    return x + 1


@task
@track()
def below(x: int) -> int:
    current_run().log({"x": x})
    return x + 1


@track()
@task
async def async_above(x: int) -> int:
    await asyncio.sleep(0)
    wandb.log({"x": x})
    return x + 1


@task
@track()
async def async_below(x: int) -> int:
    await asyncio.sleep(0)
    wandb.log({"x": x})
    return x + 1


@track()
@dynamic
def dynamic_above(n: int) -> list[int]:
    wandb.log({"children": n})
    return [above(x=x) for x in range(n)]


@dynamic
@track()
def dynamic_below(n: int) -> list[int]:
    wandb.log({"children": n})
    return [below(x=x) for x in range(n)]


@track()
@dynamic
def dynamic_map(n: int) -> list[int]:
    wandb.log({"children": n})
    return map_task(above)(x=list(range(n)))


@track()
@eager
async def eager_above(n: int) -> int:
    wandb.log({"before": n})
    found = await asyncio.gather(*(async_above(x=x) for x in range(n)))
    wandb.log({"after": n})
    return sum(found)


@eager
@track()
async def eager_below(n: int) -> int:
    wandb.log({"before": n})
    found = await asyncio.gather(*(async_below(x=x) for x in range(n)))
    wandb.log({"after": n})
    return sum(found)


@track()
@task
def outer(x: int) -> int:
    wandb.log({"at": "before"})
    inner = below(x=x)
    wandb.log({"at": "after"})
    return inner


@track(config={"cached": True})
@task(cache=True, cache_version="1")
def cached(x: int) -> int:
    return x * x


@task
@twice
@track()
def other_above(x: int) -> int:
    """Doubled after it was tracked."""
    wandb.log({"x": x})
    return x + 1


@task
@track()
@twice
def other_below(x: int) -> int:
    """Doubled inside of what is tracked."""
    wandb.log({"x": x})
    return x + 1


@track()
@task(retries=2)
def raising(kind: str) -> None:
    wandb.log({"reached": 1})
    if kind == "recoverable":
        raise FlyteRecoverableException("try again")
    if kind == "exit":
        sys.exit(3)
    raise ValueError("the data is bad")


@task
@track()
async def async_raising(x: int) -> None:
    wandb.log({"reached": x})
    raise ValueError("the data is bad")


@track(notes="what I wanted to try", id="chosen")
@task
def chosen_id(x: int) -> int:
    return x


@track(resume="allow", notes="my own words")
@task
def continued(x: int) -> int:
    wandb.log({"x": x})
    return x


@track(dir="logs")
@task
def into_input(logs: FlyteDirectory, x: int) -> int:
    return x


@task
@wandb_init(project="kinds", entity="my-team", secret=lambda: os.environ.get("MY_KEY"))
def key_from_function(x: int) -> int:
    return x


@workflow
def local_kinds(n: int = 2) -> tuple[list[int], list[int], list[int], list[int], int, int, int, int, int]:
    return (
        dynamic_above(n=n),
        dynamic_below(n=n),
        map_task(above)(x=[10, 11]),
        map_task(below)(x=[20, 21]),
        outer(x=30),
        cached(x=3),
        cached(x=3),
        other_above(x=40),
        other_below(x=50),
    )
