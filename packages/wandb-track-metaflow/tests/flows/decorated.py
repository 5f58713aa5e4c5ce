"""The flow of `plain.py`, decorated as a class."""

from plain import Plain
from wandb_track_metaflow import wandb_log


@wandb_log(project="remote")
class Decorated(Plain):
    """Its steps are those of `Plain`."""


if __name__ == "__main__":
    Decorated()
