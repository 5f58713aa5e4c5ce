"""The documentation's first example: one step is decorated."""

import pandas as pd
import seed_data
import wandb
from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import wandb_log


class WandbExampleFlow(FlowSpec):
    model_file_name = Parameter("model_file_name")

    @wandb_log(datasets=True, models=True, settings=wandb.Settings(project="seed-step", run_notes="as documented"))
    @step
    def start(self):
        self.raw_df = pd.read_csv(seed_data.CSV, skiprows=1, header=None)
        self.model_file = seed_data.load(self.model_file_name)
        self.next(self.transform)

    @step
    def transform(self):
        self.rows = len(self.raw_df)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WandbExampleFlow()
