"""A flow with all kinds of values, a foreach, a join and a step that is tried again."""

import os
from pathlib import Path

from metaflow import FlowSpec, Parameter, current, retry, step
from wandb_track_metaflow import wandb_log

WITH_TORCH = bool(__import__("importlib.util").util.find_spec("torch"))


@wandb_log(datasets=True, models=True, others=True, project=os.environ.get("LIVE_PROJECT", "offline"))
class OfflineFlow(FlowSpec):
    depth = Parameter("depth", default=2)

    @step
    def start(self):
        import numpy as np
        import pandas as pd

        self.table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 0, 1, 1]})
        self.array = np.arange(4)
        folder = Path("raw")
        folder.mkdir(exist_ok=True)
        (folder / "notes.txt").write_text("notes")
        self.raw = folder.absolute()
        self.depths = [1, 2]
        self.next(self.train, foreach="depths")

    @step
    def train(self):
        from sklearn.tree import DecisionTreeClassifier

        self.tree = DecisionTreeClassifier(max_depth=self.input, random_state=0).fit(self.table[["x"]], self.table["y"])
        self.score = float(self.tree.score(self.table[["x"]], self.table["y"]))
        self.next(self.join)

    @step
    def join(self, inputs):
        best = max(inputs, key=lambda branch: branch.tree.get_depth())
        self.best = best.tree
        self.merge_artifacts(inputs, exclude=["tree", "score"])
        self.next(self.flaky)

    @retry(times=1, minutes_between_retries=0)
    @step
    def flaky(self):
        self.tries = {"attempt": current.retry_count}
        if current.retry_count == 0:
            raise RuntimeError("the first try fails")
        self.report = {1, 2}, "a tuple is a base type"
        self.pair = slice(1, len(self.table))
        if WITH_TORCH:
            import torch

            self.net = torch.nn.Linear(2, 1, bias=False)
            with torch.no_grad():
                self.net.weight.fill_(0.5)
        self.next(self.end)

    @step
    def end(self):
        self.rows = len(self.table) + self.best.get_depth()


if __name__ == "__main__":
    OfflineFlow()
