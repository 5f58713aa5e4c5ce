"""How this project speaks to the user outside of errors: one line on standard error."""

from __future__ import annotations

import os
import select
import sys
from hashlib import sha1
from pathlib import Path

FOLDER = "WANDB_TRACK_NOTICES"
"""The variable that names a folder in which the processes of one workflow note what they have printed."""
_printed: set[str] = set()


def notify(message: str) -> None:
    """Write one line; a closed or full stream is not the user's concern."""
    try:
        sys.stderr.write(f"wandb-track: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def is_stderr_read() -> bool:
    """Whether what is written to standard error can be read: not once the pipe's or terminal's other end is closed."""
    try:
        poll = select.poll()
        poll.register(sys.stderr.fileno(), 0)
        return not poll.poll(0)
    except (AttributeError, OSError, ValueError):
        return True  # it is no file, or this system cannot tell


def notify_once(message: str, key: str = "") -> None:
    """Write a line that concerns all tasks of a workflow: only the first task that comes to it does.

    Tasks that share neither a process nor the folder that `WANDB_TRACK_NOTICES` names each write it.

    Args:
        message: The line.
        key: What tells it from other lines; the line itself by default.
    """
    name = sha1((key or message).encode(), usedforsecurity=False).hexdigest()
    if name in _printed:
        return
    _printed.add(name)
    if folder := os.environ.get(FOLDER):
        try:
            Path(folder, name).touch(exist_ok=False)
        except FileExistsError:
            return
        except OSError:
            pass  # the process that started the workflow has ended, and its folder with it
    notify(message)
