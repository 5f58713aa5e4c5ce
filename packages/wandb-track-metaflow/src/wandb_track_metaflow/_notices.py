"""What the user should hear: of one step's tracking, gathered and printed at its end; of a whole flow, once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable

from wandb_track_core.adapters import NOTICES_FOLDER, notify_once

_NAMED = 5
"""Variables that one line names; of more, it gives the number."""
_folder: tempfile.TemporaryDirectory[str] | None = None


class Notices:
    """Gathers lines, and the variables that something was not done with, by the reason."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left_out: dict[tuple[str, str], list[str]] = {}

    def add(self, line: str) -> None:
        """Note something that stands for itself."""
        self._lines.append(line)

    def pickled(self, sentences: Iterable[str]) -> None:
        """Note why a value was pickled. That a library is missing concerns all variables of all steps."""
        for sentence in sentences:
            if "pip install" in sentence:
                _, _, reason = sentence.partition(" was pickled: ")
                notify_once(f"values are pickled: {reason}. Add it to the task's image or to @pypi", key=reason)
            else:
                self.add(f"{sentence}; reading it will need trusted=True")

    def left_out(self, what: str, name: str, error: Exception) -> None:
        """Note what was not done with a variable, such as "not logged", and why."""
        self._left_out.setdefault((what, str(error) or type(error).__name__), []).append(name)

    def lines(self) -> list[str]:
        """One line for each notice, and for each reason."""
        left_out = [f"{what}: {_listed(names)}: {reason}" for (what, reason), names in self._left_out.items()]
        return [" ".join(line.split()) for line in (*self._lines, *left_out)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def begin_flow() -> None:
    """Give a flow's steps a folder for what only one of them is to print, in the process that starts them."""
    global _folder
    if NOTICES_FOLDER not in os.environ:
        _folder = tempfile.TemporaryDirectory(prefix="wandb-track-", ignore_cleanup_errors=True)
        os.environ[NOTICES_FOLDER] = _folder.name
