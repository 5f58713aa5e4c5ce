"""The documentation's second example: the flow is decorated, and with it all of its steps."""

import pandas as pd
import seed_data
from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import wandb_log


@wandb_log(datasets=True, models=True, settings={"project": "seed-flow"})
class WandbExampleFlow(FlowSpec):
    model_file_name = Parameter("model_file_name")

    @step
    def start(self):
        self.raw_df = pd.read_csv(seed_data.CSV, skiprows=1, header=None)
        self.model_file = seed_data.load(self.model_file_name)
        self.next(self.transform)

    @step
    def transform(self):
        self.classes = sorted(self.raw_df.iloc[:, -1].unique().tolist())
        self.kind = type(self.model_file).__name__
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WandbExampleFlow()
