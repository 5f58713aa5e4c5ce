"""Tasks of a foreach, each of which hurts its own process, at its first attempt, in the way of its name."""

import os
import signal
import time

import wandb
from metaflow import FlowSpec, current, retry, step
from wandb_track_metaflow import wandb_log


def service():
    """The id of the client's service process."""
    from wandb.sdk import wandb_setup

    return wandb_setup.singleton()._connection._proc._process.pid


def kill_service():
    """Kill it; what is said before its death is noticed would be lost with it."""
    os.kill(service(), signal.SIGKILL)
    time.sleep(0.5)


def fork():
    """Leave a child that ends in its own way."""
    pid = os.fork()
    if not pid:
        os._exit(3)
    os.waitpid(pid, 0)


def handle(number, frame):
    """A handler of the task's own."""
    raise RuntimeError("mine")


def handled():
    """Be terminated with that handler set."""
    signal.signal(signal.SIGTERM, handle)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def fail(error):
    """Raise an error."""
    raise error


HOW = {
    "exit 3": lambda: fail(SystemExit(3)),
    "interrupt": lambda: fail(KeyboardInterrupt()),
    "memory": lambda: fail(MemoryError()),
    "_exit": lambda: os._exit(5),
    "fork": fork,
    "own handler": handled,
    "service": kill_service,
}


class Hurt(FlowSpec):
    @step
    def start(self):
        self.ways = list(HOW)
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
