"""Steps whose tracker does not answer any more when they end."""

import os
import signal

from metaflow import FlowSpec, step
from wandb_track_metaflow import wandb_log
from wandb_track_testing.hurt import service


@wandb_log(others=True, finish_timeout=1)
class Hangs(FlowSpec):
    @step
    def start(self):
        self.next(self.stopped, self.closed)

    @step
    def stopped(self):
        self.a, self.b = 1, complex(1, 2)
        os.kill(service().pid, signal.SIGSTOP)
        self.next(self.join)

    @step
    def closed(self):
        self.a, self.b = 1, complex(1, 2)
        os.closerange(3, 256)  # as what makes a daemon of a process does
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [(each.a, each.b) for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(f"results {self.results}")


if __name__ == "__main__":
    Hangs()
