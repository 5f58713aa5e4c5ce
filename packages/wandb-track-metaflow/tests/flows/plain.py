"""A flow that knows nothing of tracking. Each of its processes notes at its end which libraries it has loaded."""

import atexit
import json
import os
import sys
from pathlib import Path

from metaflow import FlowSpec, step

WATCHED = ("wandb", "pandas", "numpy", "torch", "sklearn", "polars", "pyarrow", "wandb_track_core")


def note():
    """Write down who this process was, and what it has loaded."""
    loaded = {"command": sys.argv[1:], "loaded": [name for name in WATCHED if name in sys.modules]}
    Path(os.environ["NOTES"], str(os.getpid())).write_text(json.dumps(loaded))


if "NOTES" in os.environ:
    atexit.register(note)


class Plain(FlowSpec):
    @step
    def start(self):
        self.number = 3
        self.source = Path(__file__)
        self.next(self.end)

    @step
    def end(self):
        self.size = self.source.stat().st_size


if __name__ == "__main__":
    Plain()
