"""The command line `wandb-track`: looks at offline runs and brings them to the server.

It needs the extra `cli`; nothing else in this package imports it.
"""

from ._main import main

__all__ = ["main"]
