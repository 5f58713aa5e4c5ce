"""Weights & Biases tracking for Metaflow flows and steps: @wandb_log.

A flow's file imports this in the parent process, which tracks nothing: neither Metaflow nor the client is loaded here.
"""

import sys

from .__about__ import __version__

if sys.version_info < (3, 10):  # noqa: UP036 - the code package brings this into images that pip never asked
    raise ImportError("wandb-track-metaflow needs Python 3.10 or later: this is %d.%d" % sys.version_info[:2])  # noqa: UP031

from wandb_track_core import current_run

from ._load import load
from .decorator import wandb_log
from .in_task import wandb_track, wandb_use

__all__ = ["__version__", "current_run", "load", "wandb_log", "wandb_track", "wandb_use"]
