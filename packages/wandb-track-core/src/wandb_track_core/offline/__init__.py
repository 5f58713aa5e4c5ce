"""Runs on the disk: find and read them, draw them, pack them, bring them to a server.

It needs protobuf, which comes with wandb, and `sync` needs wandb itself: `pip install 'wandb-track-core[cli]'`.
"""

from ._artifacts import Artifact, Input
from ._fragments import Fragment, find_fragments
from ._pack import pack
from ._render import render_run
from ._report import report
from ._runs import OfflineRun, find_runs
from ._sync import SyncReport, sync

__all__ = [
    "Artifact",
    "Fragment",
    "Input",
    "OfflineRun",
    "SyncReport",
    "find_fragments",
    "find_runs",
    "pack",
    "render_run",
    "report",
    "sync",
]
