"""A step that sets far more, and far larger, than a run can show; and names that are somebody else's."""

import os

from metaflow import FlowSpec, step
from wandb_track_metaflow import current_run, wandb_log


class Wide(FlowSpec):
    @wandb_log(datasets=True, others=True, max_size=100_000)
    @step
    def start(self):
        import pandas as pd

        for number in range(int(os.environ["ARTIFACTS"])):
            setattr(self, f"thing_{number:05}", complex(number))
        for number in range(int(os.environ["VALUES"])):
            setattr(self, f"value_{number:05}", "v" * 99_000)
        self.text = "x" * 1_000_000
        self.large = pd.DataFrame({"x": [number**0.5 for number in range(100_000)]})
        self.function = abs
        self.config = "named like a part of the run"
        self.name_with_ümlaut = complex(1)
        self.loss = "not the loss that was logged"
        self.score, self.precise, self.classes = 0.5, pd.Series([0.1], dtype="float32")[0], {"a": [1, 2]}
        current_run().log({"loss": 0.25, "score": self.score, "precise": self.precise, "classes": self.classes})
        self.next(self.end)

    @wandb_log(include=["thing_0000?"], others=True)
    @step
    def end(self):
        self.thing_00001 = complex(-1)
        self.other = complex(-2)
        self.read = [self.thing_00002, self.name_with_ümlaut]


if __name__ == "__main__":
    Wide()
