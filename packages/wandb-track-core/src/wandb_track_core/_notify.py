"""How this project speaks to the user outside of errors: one line on standard error."""

from __future__ import annotations

import sys


def notify(message: str) -> None:
    """Write one line; a closed or full stream is not the user's concern."""
    try:
        sys.stderr.write(f"wandb-track: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
