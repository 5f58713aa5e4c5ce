"""A task that returns a large DataFrame, kept as an artifact in the way that the variable VARIANT names."""

import os

import numpy as np
import pandas as pd
from flytekit import task

VARIANT = os.environ["VARIANT"]
ARGUMENTS = {"project": "benchmark", "entity": "acme"}


@task
def make(rows: int) -> pd.DataFrame:
    """Three columns of numbers. By hand, users write and log the file in the task."""
    columns = np.random.default_rng(0).standard_normal((3, rows))
    frame = pd.DataFrame({f"f{number}": column for number, column in enumerate(columns)}, copy=False)
    if VARIANT == "by hand":
        import wandb

        with wandb.init(**ARGUMENTS) as run:
            frame.to_parquet("frame.parquet")
            artifact = wandb.Artifact("frame", "dataset")
            artifact.add_file("frame.parquet")
            run.log_artifact(artifact)
    return frame


if VARIANT in ("copy", "reference"):
    from wandb_track_flyte import wandb_init

    make = wandb_init(**ARGUMENTS, secret=lambda: "k" * 40, datasets=True, storage=VARIANT)(make)
