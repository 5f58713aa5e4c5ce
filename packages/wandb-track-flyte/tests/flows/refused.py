"""A task that does not wait long for a server."""

from flytekit import Secret, task
from wandb_track_flyte import current_run, wandb_init


@wandb_init(
    project="p", entity="e", secret=Secret(group="wandb", key="WANDB_API_KEY"), init_timeout=1.0, finish_timeout=1.0
)
@task
def train(x: int) -> int:
    current_run().log({"x": x})
    return x + 1
