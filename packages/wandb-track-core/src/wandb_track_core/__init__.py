"""Lifecycle of a tracked Weights & Biases run and identity of a task, for workflow orchestrators."""

from .__about__ import __version__
from ._lineage import artifact_folder, log_artifact, read_lineage, run_folder, use_artifact
from ._names import legal_alias, legal_artifact_name, legal_id, legal_tags
from ._policy import OnError, check_policy
from ._ranks import Ranks
from ._report import say
from .current import current_run
from .errors import ArgumentError, MissingKeyError, NoCurrentRunError, TrackerFaultError, TrackError
from .identity import TaskIdentity
from .lifecycle import TrackedRun
from .quiet import QuietRun

__all__ = [
    "ArgumentError",
    "MissingKeyError",
    "NoCurrentRunError",
    "OnError",
    "QuietRun",
    "Ranks",
    "TaskIdentity",
    "TrackError",
    "TrackedRun",
    "TrackerFaultError",
    "__version__",
    "artifact_folder",
    "check_policy",
    "current_run",
    "legal_alias",
    "legal_artifact_name",
    "legal_id",
    "legal_tags",
    "log_artifact",
    "read_lineage",
    "run_folder",
    "say",
    "use_artifact",
]
