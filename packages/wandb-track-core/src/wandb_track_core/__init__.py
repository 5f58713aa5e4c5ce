"""Lifecycle of a tracked Weights & Biases run and identity of a task, for workflow orchestrators."""

from .__about__ import __version__
from .current import current_run
from .errors import ArgumentError, MissingKeyError, NoCurrentRunError, TrackerFaultError, TrackError
from .identity import TaskIdentity
from .lifecycle import TrackedRun
from .quiet import QuietRun

__all__ = [
    "ArgumentError",
    "MissingKeyError",
    "NoCurrentRunError",
    "QuietRun",
    "TaskIdentity",
    "TrackError",
    "TrackedRun",
    "TrackerFaultError",
    "__version__",
    "current_run",
]
