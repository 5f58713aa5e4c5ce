"""A flow whose artifacts refer to Metaflow's own datastore, or are copies, as a variable says."""

import os
from pathlib import Path

from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import current_run, wandb_log, wandb_track, wandb_use

track = wandb_log(datasets=True, models=True, others=True, project="p", entity="acme", storage=os.environ["STORAGE"])


class References(FlowSpec):
    size = Parameter("size", default=10)

    @track
    @step
    def start(self):
        import pandas as pd
        from sklearn.linear_model import LogisticRegression

        self.frame = pd.DataFrame({"x": [1, 2]})
        self.days = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=self.size)})
        self.model = LogisticRegression().fit([[1], [2]], [0, 1])
        self.large = os.urandom(self.size)
        self.thing = memoryview  # pickles, and is no base type
        self.count = 3
        self.next(self.change)

    @track
    @step
    def change(self):
        self.frame["x"] += 1
        self.rows = len(self.days)
        Path("own.txt").write_text("own")
        made = wandb_track("own", Path("own.txt"), storage="reference")
        if not current_run().offline:
            made.wait()  # until the server has it, the next line's version is not there
        assert wandb_use("own", "latest", load=True).read_text() == "own"
        self.next(self.end)

    @track
    @step
    def end(self):
        self.total = int(self.frame["x"].sum()) + len(self.days)
        print("TOTAL", self.total)
        if "FAIL" in os.environ:
            self.late = [object]
            raise RuntimeError("for now")


if __name__ == "__main__":
    References()
