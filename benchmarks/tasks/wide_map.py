"""A Flyte workflow that maps a task over so many items, tracked or not; prints the seconds of a call of it."""

import os
import sys
import time

from flytekit import map_task, task, workflow

if os.environ["VARIANT"] == "wandb-track":
    from wandb_track_flyte import wandb_init

    tracked = wandb_init(project="benchmark", entity="acme", secret=lambda: "k" * 40)
else:

    def tracked(function):
        """Track nothing."""
        return function


@task
@tracked
def add(value: int) -> int:
    """Add one."""
    return value + 1


@workflow
def mapped(values: list[int]) -> list[int]:
    """Add one to each."""
    return map_task(add)(value=values)


if __name__ == "__main__":
    mapped(values=[1])
    start = time.perf_counter()
    mapped(values=list(range(int(sys.argv[1]))))
    print(time.perf_counter() - start)
