"""A step that makes a DataFrame of 192 MiB, and one that reads it, tracked as the variable VARIANT says."""

import os

import numpy as np
import pandas as pd
from metaflow import FlowSpec, current, step

VARIANT = os.environ["VARIANT"]


def by_hand(frame=None):
    """Open a run, log the file of a frame that is given, and finish, as users write it."""
    if VARIANT != "by hand":
        return
    import wandb

    with wandb.init(group=f"{current.flow_name}/{current.run_id}", job_type=current.step_name) as run:
        if frame is not None:
            frame.to_parquet("frame.parquet")
            artifact = wandb.Artifact("frame", "dataset")
            artifact.add_file("frame.parquet")
            run.log_artifact(artifact)


class FrameFlow(FlowSpec):
    """Makes a frame and reads it."""

    @step
    def start(self):
        """Three columns of numbers."""
        columns = np.random.default_rng(0).standard_normal((3, 8 << 20))
        self.frame = pd.DataFrame({f"f{number}": column for number, column in enumerate(columns)}, copy=False)
        by_hand(self.frame)
        self.next(self.end)

    @step
    def end(self):
        """Look at it."""
        self.rows = len(self.frame)
        by_hand()


if VARIANT in ("copy", "reference"):
    from wandb_track_metaflow import wandb_log

    FrameFlow = wandb_log(datasets=True, storage=VARIANT)(FrameFlow)

if __name__ == "__main__":
    FrameFlow()
