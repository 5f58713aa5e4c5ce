"""In a container, the task's key is the process's: its children, `wandb.Api()` and further runs need it, too.

WANDB_API_KEY and WANDB_BASE_URL hold it and its server, together, for the life of the run, and afterwards what they
held before. A nested task's key counts until that task ends.
"""

from __future__ import annotations

import os
import threading

from ._notify import notify
from .current import Frame, is_within

_NAMES = ("WANDB_API_KEY", "WANDB_BASE_URL")
_lock = threading.Lock()
_exported: list[ExportedKey] = []


class ExportedKey:
    """A key in the environment, from its making until `withdraw`.

    Args:
        key: The API key.
        base_url: The server's API address; None for the one that counted before any key was exported.
        outer: The task in which this one runs.

    Attributes:
        base_url: The address that belongs to the key; None for the client's own default.
        owner: The task that the key belongs to, once it is there.
    """

    def __init__(self, key: str, base_url: str | None, outer: Frame | None) -> None:
        self.owner: Frame | None = None
        with _lock:
            before: dict[str, str | None] = _exported[0].before if _exported else _environment()
            self.base_url = base_url or before["WANDB_BASE_URL"]
            self.values = {"WANDB_API_KEY": key, "WANDB_BASE_URL": self.base_url}
            self.before: dict[str, str | None] = _environment()
            self.is_withdrawn = False
            last = _exported[-1] if _exported else None
            if last is not None and last.values != self.values and not (last.owner and is_within(outer, last.owner)):
                self.is_withdrawn = True
                notify(
                    "WANDB_API_KEY keeps the key of the task that runs beside this one: child processes of this task, "
                    "and runs that it opens itself, use that key"
                )
                return
            _exported.append(self)
            _set(self.values)

    def withdraw(self) -> None:
        """Put back what the environment held before. A second call does nothing."""
        with _lock:
            if self.is_withdrawn:
                return
            self.is_withdrawn = True
            later = _exported[_exported.index(self) + 1 :]
            _exported.remove(self)
            if later:
                later[0].before = self.before
            elif _environment() == self.values:  # and not what the task itself has put there
                _set(self.before)


def _environment() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in _NAMES}


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
