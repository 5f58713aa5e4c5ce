"""Steps whose first attempt is ended by the platform, and that are then tried again."""

import os
import signal
import time

import wandb
from metaflow import FlowSpec, current, retry, step
from wandb_track_metaflow import wandb_log


class TakenAway(FlowSpec):
    @step
    def start(self):
        self.next(self.terminated, self.killed, self.continued)

    @retry(times=1, minutes_between_retries=0)
    @wandb_log
    @step
    def terminated(self):
        wandb.log({"attempt": current.retry_count})
        if current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        self.next(self.join)

    @retry(times=1, minutes_between_retries=0)
    @wandb_log
    @step
    def killed(self):
        wandb.log({"attempt": current.retry_count})
        if current.retry_count == 0:
            time.sleep(1.5)
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.join)

    @retry(times=1, minutes_between_retries=0)
    @wandb_log(resume="allow")
    @step
    def continued(self):
        wandb.log({"attempt": current.retry_count})
        if current.retry_count == 0:
            raise ValueError("once")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TakenAway()
