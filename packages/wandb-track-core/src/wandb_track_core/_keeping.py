"""What becomes of a run that stayed offline, or whose tracker failed: where it is kept, and one line about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _wandb
from ._notify import notify


def keep(
    run: Any, guard: _wandb.Guard | None, fault: Exception | None, put: Callable[[Path], str] | None
) -> tuple[str, list[str]]:
    """Bring an offline run that is closed to where it outlives this machine.

    Args:
        run: The run.
        guard: What stood behind it; None for a quiet one.
        fault: How the tracker failed; None where it did not.
        put: Brings a tar to a place that outlives this machine, and returns its address.

    Returns:
        One line that tells what became of the run, empty where there is nothing to tell; and where it was brought.
    """
    folders = [*guard.folders, _wandb.folder_of(run)] if guard else []
    addresses = _store_away(run, folders, put)
    if fault is not None:
        return _account(run, fault, folders, addresses, is_muted=guard is not None and guard.is_muted), addresses
    return f"the run was kept offline. {_how_to_sync(addresses)}" if addresses else "", addresses


def _store_away(run: Any, folders: list[str], put: Callable[[Path], str] | None) -> list[str]:
    """Where a run was brought that would otherwise be lost with this machine."""
    if run.disabled or not run.offline:
        return []
    from .offline._pack import keep_saved, store

    if put is None:
        for folder in folders:
            keep_saved(folder)
        return []
    try:
        return [store(folder, put, is_closed=folder == folders[-1]) for folder in folders]
    except Exception as fault:
        notify(f"the offline run is on this machine only, because it could not be stored elsewhere: {fault}")
        return []


def _account(run: Any, fault: Exception, folders: list[str], addresses: list[str], *, is_muted: bool) -> str:
    """One line: what failed, what became of the run, and how to bring it to the server."""
    failure = " ".join(str(fault).split()).rstrip(".") or type(fault).__name__
    reason = f"the tracker failed: {failure}"
    if run.disabled:
        return f"this task was not tracked, because {reason}"
    if addresses:
        return f"the run was kept offline, because {reason}. {_how_to_sync(addresses)}"
    if not any(map(os.path.exists, folders)):
        lost = "the run is lost" if run.offline else "what the server does not have of the run is lost"
        return f"{lost}, because {reason}"
    command = "wandb sync" if run.offline else "wandb sync --include-online"
    if len(folders) > 1:
        command = "wandb-track sync"
    outcome = "the rest of this task was not tracked" if is_muted else "the run is kept on this disk"
    return f"{outcome}, because {reason}. Sync it with: {command} {' '.join(folders)}"


def _how_to_sync(addresses: list[str]) -> str:
    places = " ".join(addresses)
    if "://" in places:
        return f"Download {places}, and sync the copy with: wandb-track sync"
    return f"Sync it with: wandb-track sync {places}"
