"""What a production flow does: a foreach whose tasks are retried, a join, a last step that fails until it is mended."""

import os

from metaflow import FlowSpec, current, retry, step
from wandb_track_metaflow import wandb_log


@wandb_log(datasets=True, others=True, project="production")
class Produced(FlowSpec):
    @step
    def start(self):
        import pandas as pd

        self.table = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=3), "x": [1, 2, 3]})
        self.parts = [1, 2]
        self.next(self.part, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @step
    def part(self):
        import wandb

        wandb.log({"attempt": current.retry_count})
        if self.input == 2 and current.retry_count == 0:
            raise ConnectionError("once")
        self.sum = int(self.table["x"].sum()) * self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.sum for each in inputs)
        self.merge_artifacts(inputs, exclude=["sum"])
        self.next(self.end)

    @step
    def end(self):
        self.rows = len(self.table)
        if "FAIL" in os.environ:
            raise RuntimeError("to be mended")
        print("TOTAL", self.total)


if __name__ == "__main__":
    Produced()
