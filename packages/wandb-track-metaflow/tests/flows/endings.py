"""Steps that end in all the ways a step can end."""

import os
import signal
import sys
import threading
import time

from metaflow import FlowSpec, catch, resources, retry, step, timeout
from wandb_track_metaflow import current_run, wandb_log


@wandb_log(others=True)
class Endings(FlowSpec):
    @step
    def start(self):
        self.next(self.flaky, self.caught, self.slow)

    @resources(cpu=1)
    @retry(times=1, minutes_between_retries=0)
    @step
    def flaky(self):
        from metaflow import current

        self.attempt = current.retry_count
        current_run().log({"seen": 1})
        if current.retry_count == 0:
            raise ValueError("not yet")
        self.next(self.join)

    # Above and below us: the order of decorators must not matter.
    @catch(var="failure", print_exception=False)
    @wandb_log(others=True)
    @step
    def caught(self):
        self.produced = complex(1, 2)
        self.before = "the failure"
        raise ValueError("to be caught")
        self.next(self.join)

    @wandb_log(others=True)
    @timeout(seconds=2)
    @catch(var="failure", print_exception=False)
    @step
    def slow(self):
        self.before = "the timeout"
        time.sleep(60)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.attempts = inputs.flaky.attempt
        self.failures = [inputs.caught.failure is not None, inputs.slow.failure is not None]
        self.next(self.last)

    @step
    def last(self):
        self.before = "the end"
        self.produced = complex(3, 4)
        how = os.environ["HOW"]
        if how == "raise":
            raise RuntimeError("for good")
        if how == "exit":
            sys.exit(3)
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        if how == "waiting":
            print("the step waits", flush=True)
            time.sleep(60)
        if how == "unpicklable":
            self.lock = threading.Lock()
        self.next(self.end)

    @step
    def end(self):
        assert self.attempts == 1
        assert self.failures == [True, True]


if __name__ == "__main__":
    Endings()
