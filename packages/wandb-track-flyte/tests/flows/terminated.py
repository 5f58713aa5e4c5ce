"""A task that does not end by itself."""

import time
from pathlib import Path

from flytekit import Secret, task
from wandb_track_flyte import current_run, wandb_init


@task
@wandb_init(project="p", entity="e", secret=Secret(group="wandb", key="WANDB_API_KEY"))
def train(started: str) -> None:
    current_run().log({"step": 1})
    Path(started).touch()
    while True:
        time.sleep(0.05)
