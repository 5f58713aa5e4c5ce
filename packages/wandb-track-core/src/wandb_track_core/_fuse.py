"""What our own code raises, where a framework calls it, is never the task's problem."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ._notify import notify
from .errors import TrackError


@contextmanager
def fuse(what: str) -> Iterator[None]:
    """Print an error of our own in one line that asks for a report, and go on behind the block.

    Args:
        what: What the block does, such as "opening the run".

    Raises:
        TrackError: An error about what the user gave is theirs to see.
    """
    try:
        yield
    except TrackError:
        raise
    except Exception as error:
        report_bug(what, error)


def report_bug(what: str, error: Exception) -> None:
    """Print an error of our own in one line that asks for a report."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    version = getattr(sys.modules.get("wandb"), "__version__", "not imported")
    notify(
        f"{what} failed inside wandb-track, and the task goes on. Please report this: "
        f"{type(error).__name__}: {' '.join(str(error).split())}{where}, wandb {version}"
    )
