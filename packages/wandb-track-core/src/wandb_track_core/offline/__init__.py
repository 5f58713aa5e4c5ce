"""Runs on the disk: find and read them, draw them, pack them, bring them to a server.

It needs protobuf, which comes with wandb, and `sync` needs wandb itself: `pip install 'wandb-track-core[cli]'`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._artifacts import Artifact, Input
    from ._finding import find_fragments
    from ._fragments import Fragment
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
_MODULES = "_artifacts _fragments _finding _runs _pack _render _report _sync"
"""Where these are; none of them needs one after it."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, and little more: a task that closes a run waits for it."""
    for home in _MODULES.split() if name in __all__ else ():
        module = import_module(f"{__name__}.{home}")
        if name in vars(module):
            return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
