"""Tasks of a foreach, each of which hurts its own process, at its first attempt, in the way of its name."""

import time

import wandb
from metaflow import FlowSpec, current, retry, step
from wandb_track_metaflow import wandb_log
from wandb_track_testing.hurt import HOW

WAYS = ["exit 3", "interrupt", "memory", "_exit", "fork", "own handler", "service"]


class Hurt(FlowSpec):
    @step
    def start(self):
        self.ways = WAYS
        self.next(self.hurt, foreach="ways")

    @retry(times=1, minutes_between_retries=0)
    @wandb_log
    @step
    def hurt(self):
        wandb.config.update({"how": self.input})
        wandb.log({"loss": 1.0})
        if current.retry_count == 0:
            time.sleep(1.5)
            HOW[self.input]()
        wandb.log({"loss": 0.5})
        self.result = 42
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [each.result for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(f"results {self.results}")


if __name__ == "__main__":
    Hurt()
