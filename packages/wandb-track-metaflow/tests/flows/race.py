"""An execution that walks in step with another one of the same flow, so that `latest` is always somebody else's."""

import os
import time
from pathlib import Path

from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import wandb_log


@wandb_log(datasets=True, project="race")
class Race(FlowSpec):
    name_of = Parameter("name_of", default="one")

    @step
    def start(self):
        self.frame = table(self.name_of)
        self.parts = ["a", "b"]
        self.meet("start")
        self.next(self.work, foreach="parts")

    @step
    def work(self):
        self.meet(f"work-{self.input}")
        self.result = table(self.name_of, self.input, len(self.frame))
        self.next(self.hand_on)

    @wandb_log(mode="disabled")
    @step
    def hand_on(self):
        self.length = len(self.result)
        self.by_nobody = table("made by a step that is not tracked")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.meet("join")
        self.best = table(*[str(each.result["text"].iloc[0]) for each in inputs])
        self.result = inputs[1].result
        assert len(inputs[0].by_nobody) == 1
        self.merge_artifacts(inputs, exclude=["length", "by_nobody"])
        self.next(self.end)

    @step
    def end(self):
        self.meet("end")
        assert list(self.best["text"]) == [self.name_of, self.name_of]
        assert len(self.result) == 3
        assert len(self.frame) == 1

    def meet(self, place):
        """Wait until the other execution is here, too."""
        folder = Path(os.environ["MEETING"])
        (folder / f"{place}-{self.name_of}").touch()
        until = time.monotonic() + 120
        while len(list(folder.glob(f"{place}-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.05)


def table(*texts):
    import pandas as pd

    days = pd.date_range("2026-01-01", periods=len(texts))
    return pd.DataFrame({"text": [str(text) for text in texts], "day": days})


if __name__ == "__main__":
    Race()
