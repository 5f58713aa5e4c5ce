"""A step that runs on several nodes."""

import os

from metaflow import FlowSpec, current, parallel, step
from wandb_track_metaflow import current_run, wandb_log


class Nodes(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=2)

    @wandb_log(ranks=os.environ.get("RANKS"))
    @parallel
    @step
    def work(self):
        self.node = current.parallel.node_index
        current_run().log({"node_was": self.node})
        self.next(self.join)

    @wandb_log
    @step
    def join(self, inputs):
        self.nodes = sorted(each.node for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Nodes()
