"""Weights & Biases tracking for flytekit tasks: @wandb_init."""

from .__about__ import __version__

__all__ = ["__version__"]
