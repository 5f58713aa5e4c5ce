"""Weights & Biases tracking for flytekit tasks: @wandb_init."""

from wandb_track_core import ArgumentError, MissingKeyError, current_run

from .__about__ import __version__
from ._load import load
from .decorator import wandb_init
from .in_task import wandb_track, wandb_use

__all__ = [
    "ArgumentError",
    "MissingKeyError",
    "__version__",
    "current_run",
    "load",
    "wandb_init",
    "wandb_track",
    "wandb_use",
]
