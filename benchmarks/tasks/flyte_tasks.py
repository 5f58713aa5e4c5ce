"""Small tasks in one process, tracked in the way that the variable VARIANT names; prints the seconds of each call."""

import functools
import os
import sys
import time

from flytekit import task

VARIANT = os.environ["VARIANT"]
ARGUMENTS = {"project": "benchmark", "entity": "acme", "secret": lambda: "k" * 40}


def plain(function):
    """Track nothing."""
    return function


def by_hand(function):
    """Track as users write it by hand."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        import wandb

        run = wandb.init(project=ARGUMENTS["project"], entity=ARGUMENTS["entity"])
        try:
            return function(*args, **kwargs)
        finally:
            run.finish()

    return call


if VARIANT == "peer":
    from flytekitplugins.wandb import wandb_init

    tracked = wandb_init(**ARGUMENTS)
elif VARIANT == "wandb-track":
    from wandb_track_flyte import wandb_init

    tracked = wandb_init(**ARGUMENTS)
else:
    tracked = by_hand if VARIANT == "by hand" else plain


@task
@tracked
def add(value: int) -> int:
    """Add one, and log it where there is a run."""
    if VARIANT != "untracked":
        import wandb

        wandb.log({"value": value})
    return value + 1


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        start = time.perf_counter()
        add(value=number)
        print(time.perf_counter() - start)
