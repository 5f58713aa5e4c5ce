"""A task that hurts its own process, in the way that its input names."""

import os
import signal
import time

import wandb
from flytekit import task
from wandb_track_flyte import wandb_init


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
    "exit 0": lambda: fail(SystemExit(0)),
    "exit 3": lambda: fail(SystemExit(3)),
    "interrupt": lambda: fail(KeyboardInterrupt()),
    "memory": lambda: fail(MemoryError()),
    "_exit": lambda: os._exit(5),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "fork": fork,
    "own handler": handled,
    "service": kill_service,
    "nothing": lambda: None,
}


@task
@wandb_init(project="hurt", entity="acme", secret=lambda: "k" * 40)
def hurt(how: str) -> int:
    """Log, be hurt, and log again."""
    wandb.log({"loss": 1.0})
    time.sleep(1.5)
    HOW[how]()
    wandb.log({"loss": 0.5})
    return 42
