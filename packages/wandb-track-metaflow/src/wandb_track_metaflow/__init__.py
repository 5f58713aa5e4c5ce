"""Weights & Biases tracking for Metaflow flows and steps: @wandb_log.

Everything is imported on first use: a flow's file imports this module in the parent process, which tracks nothing.
"""

import sys

from .__about__ import __version__

if sys.version_info < (3, 10):  # noqa: UP036 - the code package brings this into images that pip never asked
    raise ImportError("wandb-track-metaflow needs Python 3.10 or later: this is %d.%d" % sys.version_info[:2])  # noqa: UP031

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wandb_track_core import current_run

    from ._load import load
    from .decorator import wandb_log
    from .in_task import wandb_track, wandb_use

__all__ = ["__version__", "current_run", "load", "wandb_log", "wandb_track", "wandb_use"]

_HOMES = {
    "current_run": "wandb_track_core",
    "load": f"{__name__}._load",
    "wandb_log": f"{__name__}.decorator",
    "wandb_track": f"{__name__}.in_task",
    "wandb_use": f"{__name__}.in_task",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
