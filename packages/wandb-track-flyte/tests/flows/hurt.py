"""A task that hurts its own process, in the way that its input names."""

import time

import wandb
from flytekit import task
from wandb_track_flyte import wandb_init
from wandb_track_testing.hurt import HOW


@task
@wandb_init(project="hurt", entity="acme", secret=lambda: "k" * 40)
def hurt(how: str) -> int:
    """Log, be hurt, and log again."""
    wandb.log({"loss": 1.0})
    time.sleep(1.5)
    HOW[how]()
    wandb.log({"loss": 0.5})
    return 42
