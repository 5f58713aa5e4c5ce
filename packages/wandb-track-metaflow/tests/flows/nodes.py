"""A step that runs on several nodes."""

from metaflow import FlowSpec, current, parallel, step
from wandb_track_metaflow import wandb_log


@wandb_log
class Nodes(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=2)

    @parallel
    @step
    def work(self):
        self.node = current.parallel.node_index
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = sorted(each.node for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Nodes()
