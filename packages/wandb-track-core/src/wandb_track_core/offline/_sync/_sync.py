"""Uploads offline runs completely: history, artifacts, and the edges between them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from wandb_track_core.offline._fragments import Fragment
from wandb_track_core.offline._graph import Name, produced, whole_name
from wandb_track_core.offline._runs import OfflineRun

from ._locks import working_folder
from ._plan import SyncReport, is_synced, is_uploaded, write_mark
from ._rewrite import FROM_THE_BEGINNING, Continuation, Remote, continuation, rewrite
from ._server import Server, has_sync_marker

AT_ONCE = 100
"""Runs that one call of the client's sync is given, and so the most that are unpacked at a time."""
_WORKERS = 8

Progress = Callable[[str, int], None]
"""Called with "uploaded" or "checked", and with the number of runs that this step has just finished."""


@dataclass
class Upload:
    """The upload of one run.

    Attributes:
        reasons: Why it failed.
        before: What the server had of it.
        how: How it goes on from there.
        folder: What the client is given.
        is_second: Whether the server turned out to want it from its beginning.
        is_checked: Whether it was seen on the server.
    """

    run: OfflineRun
    reasons: list[str] = field(default_factory=list)
    before: Remote | None = None
    how: Continuation = field(default=FROM_THE_BEGINNING)
    folder: Path = Path()
    is_second: bool = False
    is_checked: bool = False


class Sync:
    """Carries out a plan.

    Args:
        plan: What `plan` found; it becomes the report.
        server: The server.
        progress: See `Progress`.
        held: What `locked` gave.

    Attributes:
        report: The result so far.
    """

    def __init__(self, plan: SyncReport, server: Server, progress: Progress, held: list[int]) -> None:
        self.report = plan
        self._server = server
        self._progress = progress
        self._held = held
        runs = [run for level in plan.levels for run in level]
        for run in runs:
            run.entity = run.entity or server.entity
        self._name_apart(runs)
        # The versions of artifacts, by name and alias, that the runs to sync bring to the server.
        self._expected = {(name, alias) for run in runs for name, aliases in produced(run).items() for alias in aliases}

    def _name_apart(self, runs: list[OfflineRun]) -> None:
        """Rename artifacts whose name belongs to another type: a server has one type for each name."""
        makers = [(run, whole_name(run, made.name), made.type) for run in runs for made in run.artifacts]
        users = [(run, whole_name(run, used.name), used.type) for run in runs for used in run.inputs if used.type]
        names = list(dict.fromkeys(name for _, name, _ in (*makers, *users)))
        with ThreadPoolExecutor(_WORKERS) as pool:
            types = dict(zip(names, pool.map(self._server.type_of, names), strict=True))
        renamed: dict[tuple[Name, str], str] = {}
        for run, name, type in (*makers, *users):
            types[name] = types[name] or type
            if type != types[name]:
                renamed[name, type] = f"{name[2]}.{type}"
                line = f"{name[2]} of type {type}: its name is that of a {types[name]}, so it is {name[2]}.{type} there"
                self.report.renamed.setdefault(run.path, []).append(line)
        for run in runs:
            run.renamed = renamed

    def run(self) -> None:
        """Upload all complete runs, producers before consumers."""
        lacking = {id(run) for run, _ in self.report.incomplete}
        for level in self.report.levels:
            runs = [run for run in level if id(run) not in lacking]
            for at in range(0, len(runs), AT_ONCE):
                self._sync_some(runs[at : at + AT_ONCE])

    def clean(self, *, killed: bool) -> None:
        """Delete the folders of runs that are safely on the server.

        Args:
            killed: Also runs that were never closed, which may still be written to.
        """
        for run in (*self.report.synced, *self.report.already):
            try:
                if not (run.is_closed or killed):
                    self.report.kept.append((run, "it was never closed, so it may still be written to"))
                elif any(_has_grown(part) for part in run.fragments):
                    self.report.kept.append((run, "it was written to during the sync"))
                else:
                    for part in run.fragments:
                        _delete(part)
            except OSError as error:
                self.report.kept.append((run, str(error)))

    def _sync_some(self, runs: list[OfflineRun]) -> None:
        url = self._server.url
        uploads = [Upload(run) for run in runs if not is_uploaded(run, url)]
        self._progress("uploaded", len(runs) - len(uploads))
        before = {id(run) for run in runs if is_synced(run, url)}
        with ThreadPoolExecutor(_WORKERS) as pool:
            self._upload(uploads, pool)
            failed = {id(upload.run): upload.reasons for upload in uploads if upload.reasons}
            results = pool.map(lambda run: failed.get(id(run)) or _attempt(lambda: self._link_inputs(run)), runs)
            for run, reasons in zip(runs, results, strict=True):
                self._progress("checked", 1)
                if reasons:
                    self.report.failed.append((run, reasons))
                elif id(run) in before:
                    self.report.already.append(run)
                else:
                    self.report.synced.append(run)

    def _upload(self, uploads: list[Upload], pool: ThreadPoolExecutor) -> None:
        """Upload runs and check that they arrived."""
        if not uploads:
            return
        with working_folder() as (scratch, own_lock):
            for number, upload in enumerate(uploads):
                upload.folder = scratch / str(number)
            _each(pool, self._prepare, uploads)
            ready = [upload for upload in uploads if not upload.reasons]
            so_far = len(uploads) - len(ready)
            self._progress("uploaded", so_far)
            if not ready:
                return
            shown = 0

            def show(count: int) -> None:
                nonlocal shown
                self._progress("uploaded", count - shown)
                shown = count

            printed = self._server.upload([upload.folder for upload in ready], [*self._held, own_lock], show)
            show(len(ready))
            _each(pool, lambda upload: self._check(upload, printed), ready)
        again = [upload for upload in ready if upload.is_second and not upload.is_checked and not upload.reasons]
        self._progress("uploaded", -len(again))
        self._upload(again, pool)

    def _prepare(self, upload: Upload) -> list[str]:
        upload.before = self._server.remote(upload.run)
        upload.how = continuation(upload.run, None if upload.is_second else upload.before)
        upload.folder = rewrite(upload.run, upload.folder, upload.how)
        return []

    def _check(self, upload: Upload, printed: str) -> list[str]:
        run, how = upload.run, upload.how
        if not has_sync_marker(upload.folder):
            return [f"the client did not finish its sync: {_words_about(run, printed)}", *self._server.check(run, how)]
        if how.there and not how.is_resumed:
            after = self._server.remote(run)
            if upload.before is None or after is None or after.first_row != upload.before.first_row:
                # This server drops the rows of a run that is opened anew: it has to get all of them.
                upload.is_second = True
                return []
        upload.is_checked = True
        lines = list(self._server.check(run, how))
        if not lines:
            write_mark(run, self._server.url, complete=False)
        return lines

    def _link_inputs(self, run: OfflineRun) -> list[str]:
        """Add the edges of a run that is on the server."""
        unknown, reasons = self._server.add_inputs(run)
        late = [version for version in unknown if version in self._expected]
        reasons += [f"its input {_named(version)} is not on the server" for version in late]
        unlinked = [_named(version) for version in unknown if version not in self._expected]
        if not reasons:
            write_mark(run, self._server.url, complete=True, unlinked=unlinked)
        if unlinked:
            self.report.unlinked.append((run, unlinked))
        return reasons


def _each(pool: ThreadPoolExecutor, action: Callable[[Upload], list[str]], uploads: list[Upload]) -> None:
    """Do something for each run. If it fails for one, that is noted as a reason, and the others go on."""
    for upload, reasons in zip(
        uploads, pool.map(lambda upload: _attempt(lambda: action(upload)), uploads), strict=True
    ):
        upload.reasons += reasons


def _attempt(action: Callable[[], list[str]]) -> list[str]:
    try:
        return action()
    except Exception as error:
        return [f"{error} ({type(error).__name__})"]


def _named(version: tuple[tuple[str, str, str], str]) -> str:
    name, alias = version
    return f"{'/'.join(name)}:{alias}"


def _words_about(run: OfflineRun, printed: str) -> str:
    lines = [line for line in printed.splitlines() if run.id in line] or printed.splitlines()
    return lines[-1] if lines else "it printed nothing"


def _delete(part: Fragment) -> None:
    if part.is_packed:
        part.place.unlink()
        part.marker.unlink(missing_ok=True)
    else:
        # Renamed first, so that no other sync finds half of it.
        gone = part.place.rename(part.place.with_name(f"{part.place.name}.deleted"))
        shutil.rmtree(gone, ignore_errors=True)


def _has_grown(part: Fragment) -> bool:
    return not part.is_packed and (part.place / part.log).stat().st_size != part.log_size
