"""What the user should hear: of one step's tracking, gathered and printed at its end; of a whole flow, once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from traceback import extract_tb

FOLDER = "WANDB_TRACK_NOTICES"
"""The variable that names a folder of the running flow, in which its steps note what was printed."""
_NAMED = 5
"""Variables that one line names; of more, it gives the number."""
_folder: tempfile.TemporaryDirectory[str] | None = None


class Notices:
    """Gathers lines, and the variables that were left out, by the reason."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left_out: dict[str, list[str]] = {}

    def add(self, line: str) -> None:
        """Note something that stands for itself."""
        self._lines.append(line)

    def not_logged(self, name: str, reason: str) -> None:
        """Note that a variable is not shown to W&B."""
        self._left_out.setdefault(f"not logged: {{}}: {reason}", []).append(name)

    def not_linked(self, name: str, reason: str) -> None:
        """Note that what a step read is not linked as an input of its run."""
        self._left_out.setdefault(f"not linked as an input: {{}}: {reason}", []).append(name)

    def lines(self) -> list[str]:
        """One line for each notice, and for each reason."""
        left_out = [line.replace("{}", _listed(names), 1) for line, names in self._left_out.items()]
        return [" ".join(line.split()) for line in (*self._lines, *left_out)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def begin_flow() -> None:
    """Give a flow's steps a folder for what only one of them is to print, in the process that starts them."""
    global _folder
    if FOLDER not in os.environ:
        _folder = tempfile.TemporaryDirectory(prefix="wandb-track-", ignore_cleanup_errors=True)
        os.environ[FOLDER] = _folder.name


def notify_once(line: str, key: str = "") -> None:
    """Print a line that concerns all steps of a flow: the first step that comes to it does.

    Where tasks have machines of their own, as pods are, each prints it.

    Args:
        line: The line.
        key: What tells it from other lines; the line itself by default.
    """
    from wandb_track_core.adapters import notify

    begin_flow()
    try:
        Path(os.environ[FOLDER], sha1((key or line).encode(), usedforsecurity=False).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return
    except OSError:
        pass  # the process that started the flow is gone, and its folder with it
    notify(line)


@contextmanager
def fuse(doing: str) -> Iterator[None]:
    """Keep a fault of ours away from Metaflow: it becomes a line that asks for a report, and the step goes on.

    Errors about what the user gave, and those that `on_error="raise"` asks for, pass.
    """
    from wandb_track_core import TrackError

    try:
        yield
    except TrackError:
        raise
    except Exception as fault:
        report(doing, fault)


def report(doing: str, fault: Exception) -> None:
    """Print a line that asks for a report of a fault of ours."""
    from wandb_track_core.adapters import notify

    last = extract_tb(fault.__traceback__)[-1]
    where = f"{type(fault).__name__}: {fault} ({Path(last.filename).name}:{last.lineno})"
    line = f"wandb-track itself failed while {doing}; the step goes on. Please report this to wandb-track: {where}"
    notify(" ".join(line.split()))
