"""Flows of a width that the variable WIDTH names, tracked or not, as the variable VARIANT says."""

import os

from metaflow import FlowSpec, step

WIDTH = int(os.environ["WIDTH"])
KIND = os.environ["KIND"]


class ForeachFlow(FlowSpec):
    """One task for each of so many items, and their join."""

    @step
    def start(self):
        """Make the items."""
        self.items = list(range(WIDTH))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        """Change one."""
        self.value = self.input + 1
        self.next(self.join)

    @step
    def join(self, inputs):
        """Add them up, which reads each branch's value."""
        self.total = sum(branch.value for branch in inputs)
        self.next(self.end)

    @step
    def end(self):
        """End."""


class ManyFlow(FlowSpec):
    """A step that sets so many attributes."""

    @step
    def start(self):
        """Set them: numbers go into the summary, bytes become artifacts."""
        for number in range(WIDTH):
            setattr(self, f"value_{number}", number if KIND == "summary" else number.to_bytes(4, "big"))
        self.next(self.end)

    @step
    def end(self):
        """End."""


Flow = ForeachFlow if KIND == "foreach" else ManyFlow
if os.environ["VARIANT"] == "wandb-track":
    from wandb_track_metaflow import wandb_log

    Flow = wandb_log(datasets=True, models=True, others=True)(Flow)

if __name__ == "__main__":
    Flow()
