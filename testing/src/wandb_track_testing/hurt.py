"""How a task can hurt its own process: for tasks of the tests, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from types import FrameType


def service() -> subprocess.Popen[bytes]:
    """The client's service process."""
    from wandb.sdk import wandb_setup

    connection = wandb_setup.singleton()._connection
    assert connection is not None
    assert connection._proc is not None
    return connection._proc._process


def _kill_service() -> None:
    """Kill it; what is said before its death is noticed would be lost with it."""
    os.kill(service().pid, signal.SIGKILL)
    time.sleep(0.5)


def _fork() -> None:
    """Leave a child that ends in its own way."""
    pid = os.fork()
    if not pid:
        os._exit(3)
    os.waitpid(pid, 0)


def _be_terminated() -> None:
    """Be terminated with a handler of the task's own set."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise RuntimeError("mine")

    signal.signal(signal.SIGTERM, handle)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def _fail(error: BaseException) -> None:
    raise error


HOW: dict[str, Callable[[], object]] = {
    "exit 0": lambda: _fail(SystemExit(0)),
    "exit 3": lambda: _fail(SystemExit(3)),
    "interrupt": lambda: _fail(KeyboardInterrupt()),
    "memory": lambda: _fail(MemoryError()),
    "_exit": lambda: os._exit(5),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "fork": _fork,
    "own handler": _be_terminated,
    "service": _kill_service,
    "nothing": lambda: None,
}
"""By name. All but "fork", "service" and "nothing" end the task or its process."""
