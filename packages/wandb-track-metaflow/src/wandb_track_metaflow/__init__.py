"""Weights & Biases tracking for Metaflow flows and steps: @wandb_log."""

from .__about__ import __version__

__all__ = ["__version__"]
