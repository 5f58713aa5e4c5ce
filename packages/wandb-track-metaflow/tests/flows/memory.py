"""Large values in a step's hands; each step prints how far its process's memory rose above what it began with."""

import atexit
import os
import resource

import numpy as np
import pandas as pd
from metaflow import FlowSpec, step

MEGABYTES = int(os.environ["MEGABYTES"])
NAMES = [f"part{number}" for number in range(4)]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def watch(name):
    """Print the rise when the process ends: closing the run counts, too."""
    begun = peak()
    atexit.register(lambda: print(f"ROSE {name} {peak() - begun:.0f}", flush=True))


def numbers():
    return np.random.default_rng(0).random(MEGABYTES << 17)


class Memory(FlowSpec):
    """Each step does one thing with large values."""

    @step
    def start(self):
        for name in NAMES:
            setattr(self, name, numbers())
        self.next(self.lets_go)

    @step
    def lets_go(self):
        watch("lets_go")
        for name in NAMES:
            value = getattr(self, name)
            setattr(self, name, None)
            del value
        self.next(self.makes)

    @step
    def makes(self):
        watch("makes")
        self.frame = pd.DataFrame(numbers().reshape(-1, 8), columns=list("abcdefgh"))
        self.next(self.reads)

    @step
    def reads(self):
        watch("reads")
        assert len(self.frame) == MEGABYTES << 14
        self.next(self.many)

    @step
    def many(self):
        self.words = [f"word {number}" for number in range(1_000_000)]
        self.next(self.reads_many)

    @step
    def reads_many(self):
        watch("reads_many")
        assert len(self.words) == 1_000_000
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Memory()
