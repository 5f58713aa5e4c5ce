"""Keeps the files of an offline run's artifacts in the run's folder, so that the folder can be moved and synced."""

from __future__ import annotations

import base64
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wandb_track_core._ledger import ADOPTED


def adopt(folder: str | Path, entries: Iterable[Any]) -> None:
    """Link or copy into a run's folder what an artifact consists of and is elsewhere, each named by its MD5.

    The client keeps copies in a staging area of the machine. What nobody can write to, as these copies, is linked
    where the disk allows it.

    Args:
        folder: The run's folder.
        entries: The entries of the artifact's manifest.
    """
    folder = Path(folder).absolute()
    for entry in entries:
        if entry.ref or not entry.local_path or Path(entry.local_path).is_relative_to(folder):
            continue
        source, target = Path(entry.local_path), folder / ADOPTED / base64.b64decode(entry.digest).hex()
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            shutil.copyfile(source, target)
        else:
            link(source, target)


def link(source: Path, target: Path) -> None:
    """Link a file where the disk allows it, and copy it elsewhere."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
