"""Finds what the processes of runs wrote, below the paths that a user names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ._fragments import Fragment, is_log, read_folder, read_tar


def find_fragments(paths: Iterable[str | Path]) -> list[Fragment]:
    """Every fragment at or below the paths, the earliest first. Of copies, that with the longest log counts.

    If a run was continued, or went on offline because its service process died, the folders that it wrote before are
    included, if they are in the same parent folder.

    Args:
        paths: Folders of runs, `.wandb` files in them, tars, or folders above any of these.
    """
    found: dict[tuple[str, float], Fragment] = {}
    for path in paths:
        for run in _search(Path(path)):
            key = (run.id, run.started) if run.is_begun else (str(run.place), 0.0)
            found[key] = max(found.get(key, run), run, key=lambda one: (one.log_size, not one.is_packed))
    # The client's service writes the beginning of a run a moment after the run began: one without has only just begun.
    return sorted(found.values(), key=lambda run: (not run.is_begun, run.started))


def _search(path: Path) -> Iterator[Fragment]:
    if path.is_file():
        if path.suffix == ".wandb":
            yield from _with_others(read_folder(_named(path.parent), path.name))
        else:
            for run in read_tar(path, is_meant=True):
                yield from _with_others(run)
        return
    path = _named(path)
    pending = [str(path)]
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as found:
            children = list(found)
        log = next((child.name for child in children if is_log(child.name)), None)
        if log is not None:
            if not Path(folder).name.startswith("run-") or folder == str(path):
                run = read_folder(Path(folder), log)
                yield from _with_others(run) if folder == str(path) else (run, *_begun_online(run))
            continue
        for child in children:
            if child.is_dir(follow_symlinks=False):
                pending.append(child.path)
            elif child.name.endswith(".tar") and child.is_file():
                yield from read_tar(Path(child.path))


def _named(folder: Path) -> Path:
    """A folder by its own name, which "." does not have, nor a link such as `latest-run`: others lie beside it."""
    return folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder


def _begun_online(run: Fragment) -> Iterator[Fragment]:
    """What a run wrote online, where its service died and it went on offline in the folder that was found."""
    for log in run.place.parent.glob(f"run-*/{glob.escape(run.log)}") if run.starting_step else ():
        begun = read_folder(log.parent, log.name)
        if begun.exit_code is None and begun.started < run.started:
            yield begun


def _with_others(run: Fragment) -> Iterator[Fragment]:
    """What was named, and what else a run that was continued (`resume=`) wrote offline, beside it."""
    yield from (run, *_begun_online(run))
    parts: list[Fragment] = []
    if run.is_begun:
        logs = run.place.parent.glob(f"offline-run-*/{glob.escape(run.log)}")
        parts = [read_folder(log.parent, log.name) for log in logs if log.parent != run.place]
        for tar in run.place.parent.glob(f"offline-run-*-{glob.escape(run.id)}.tar"):
            parts += read_tar(tar) if tar != run.place else ()
    for part in parts:
        if (part.id, part.entity, part.project) == (run.id, run.entity, run.project):
            yield part
