"""The documentation's third example: the flow is decorated, and one step has a decorator of its own."""

import pandas as pd
import seed_data
from metaflow import FlowSpec, step
from wandb_track_metaflow import wandb_log


@wandb_log(datasets=True, models=True, project="seed-both")  # same as decorating start and mid
class WandbExampleFlow(FlowSpec):
    # this step will log datasets and models
    @step
    def start(self):
        self.raw_df = pd.read_csv(seed_data.CSV, skiprows=1, header=None)
        self.model_file = seed_data.train(self.raw_df)
        self.next(self.mid)

    # this step will also log datasets and models
    @step
    def mid(self):
        self.raw_df = pd.read_csv(seed_data.CSV, skiprows=1, header=None, nrows=100)
        self.model_file = seed_data.train(self.raw_df)
        self.next(self.end)

    # this step is overwritten and will NOT log datasets OR models
    @wandb_log(datasets=False, models=False, project="seed-both")
    @step
    def end(self):
        self.raw_df = pd.read_csv(seed_data.CSV, skiprows=1, header=None)
        self.model_file = seed_data.train(self.raw_df)


if __name__ == "__main__":
    WandbExampleFlow()
