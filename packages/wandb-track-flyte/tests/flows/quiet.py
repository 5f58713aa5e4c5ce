"""Tasks that are switched off, by themselves or from outside, in a module that does not import wandb."""

import sys

from flytekit import Secret, task
from wandb_track_flyte import current_run, wandb_init


@wandb_init(project="p", entity="e", secret=Secret(group="wandb", key="WANDB_API_KEY"), mode="disabled")
@task
def switched_off(x: int) -> str:
    return seen(x)


@wandb_init(project="p", entity="e", secret=Secret(group="wandb", key="WANDB_API_KEY"))
@task
def plain(x: int) -> str:
    return seen(x)


def seen(x):
    current_run().log({"x": x})
    return f"{current_run()!r}, wandb is imported: {'wandb' in sys.modules}"
