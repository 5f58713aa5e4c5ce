"""A step to be run again alone, with `spin`: it logs, and reads what the step before made."""

from metaflow import FlowSpec, step
from wandb_track_metaflow import current_run, wandb_log


@wandb_log(datasets=True)
class Spun(FlowSpec):
    @step
    def start(self):
        import pandas as pd

        print("MADE")
        self.table = pd.DataFrame({"x": [1, 2, 3]})
        self.next(self.middle)

    @step
    def middle(self):
        import wandb

        self.rows = len(self.table)
        self.other, self.third = self.table.iloc[:1], self.table.iloc[1:]
        current_run().log({"rows": self.rows})
        wandb.log({"again": 1})
        print("SPUN", self.rows)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Spun()
