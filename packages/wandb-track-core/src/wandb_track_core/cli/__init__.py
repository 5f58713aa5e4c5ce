"""The command line `wandb-track`: lists, draws and syncs the runs on this disk.

It needs wandb, and for `lineage` the extra `cli`; nothing else in this package imports it.
"""

from ._main import main

__all__ = ["main"]
