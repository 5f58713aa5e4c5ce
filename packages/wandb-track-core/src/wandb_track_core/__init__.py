"""Lifecycle of a tracked Weights & Biases run and identity of a task, for workflow orchestrators."""

from .__about__ import __version__

__all__ = ["__version__"]
