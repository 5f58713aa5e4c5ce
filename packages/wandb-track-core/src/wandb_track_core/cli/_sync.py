"""Brings offline runs to the server, each one whole: history, artifacts, and the edges between them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ._files import missing
from ._order import Unit, group, levels
from ._read import Run, find
from ._rewrite import FROM_THE_BEGINNING, Continuation, Remote, continuation, rewrite
from ._server import Server, is_uploaded

FORMAT = 1
AT_ONCE = 100
"""Runs that one call of the client's sync is given, and so the most that are unpacked at a time."""
_WORKERS = 8

Progress = Callable[[str, int], None]
"""Told "uploaded" or "checked", and by how many runs that went on."""


@dataclass
class Report:
    """What became of each run.

    Attributes:
        synced: Runs that are now on the server, whole.
        already: Runs that were there already.
        failed: Runs that are not, with the reasons.
        incomplete: Runs of which files are missing, with their names; nothing of these was synced.
    """

    synced: list[Unit] = field(default_factory=list)
    already: list[Unit] = field(default_factory=list)
    failed: list[tuple[Unit, list[str]]] = field(default_factory=list)
    incomplete: list[tuple[Unit, list[str]]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything is on the server."""
        return not self.failed and not self.incomplete


@dataclass
class Plan:
    """What a sync is to do.

    Attributes:
        levels: Runs to sync, in order; those of a level at once.
        already: Runs that are on the server.
        incomplete: Runs of which files are missing.
    """

    levels: list[list[Unit]]
    already: list[Unit]
    incomplete: list[tuple[Unit, list[str]]]


@dataclass
class Upload:
    """One run on its way.

    Attributes:
        reasons: Why it did not arrive.
        before: What the server had of it.
        how: How it goes on from there.
        folder: What the client is given.
        is_second: Whether the server turned out to want it from its beginning.
        is_checked: Whether it was seen on the server.
    """

    unit: Unit
    reasons: list[str] = field(default_factory=list)
    before: Remote | None = None
    how: Continuation = field(default=FROM_THE_BEGINNING)
    folder: Path = Path()
    is_second: bool = False
    is_checked: bool = False

    def attempt(self, action: Callable[[], list[str]]) -> None:
        """Do something for this run; that it fails is a reason, and touches no other run."""
        self.reasons += _attempt(action)


def _attempt(action: Callable[[], list[str]]) -> list[str]:
    try:
        return action()
    except Exception as error:
        return [f"{error} ({type(error).__name__})"]


def plan(paths: Iterable[str | Path], *, entity: str = "", project: str = "", url: str | None = None) -> Plan:
    """Find the runs below the paths and check that their files are there, without changing anything.

    Args:
        paths: As `find` takes them.
        entity: Of runs that name none.
        project: Of runs that name none.
        url: The server; None counts a run as synced whatever the server was.
    """
    units = group(find(paths), entity, project)
    already = [unit for unit in units if is_synced(unit, url)]
    done = {id(unit) for unit in already}
    todo = [unit for unit in units if id(unit) not in done]
    incomplete = []
    for unit in todo:
        lines = [line for run in unit.fragments for line in missing(run)]
        if lines:
            incomplete.append((unit, lines))
    return Plan(levels(todo), already, incomplete)


def is_synced(unit: Unit, url: str | None = None) -> bool:
    """Whether all that a run's folders hold was seen on the server by a sync."""
    return all(_mark(run, url).get("complete") for run in unit.fragments)


def _mark(run: Run, url: str | None) -> dict[str, object]:
    try:
        mark: dict[str, object] = json.loads(run.marker.read_text())
    except (OSError, ValueError):
        return {}
    return mark if url in (None, mark.get("url")) and mark.get("format") == FORMAT else {}


def execute(todo: Plan, server: Server, progress: Progress, *, partial: bool = False, clean: bool = False) -> Report:
    """Sync what a plan says.

    Args:
        todo: The plan.
        server: The server.
        progress: Told how it goes.
        partial: Sync the runs that are whole where others lack files; otherwise nothing is synced then.
        clean: Delete the folders of runs that are safely on the server.
    """
    report = Report(already=list(todo.already), incomplete=todo.incomplete)
    if not todo.incomplete or partial:
        lacking = {id(unit) for unit, _ in todo.incomplete}
        for level in todo.levels:
            units = [unit for unit in level if id(unit) not in lacking]
            for at in range(0, len(units), AT_ONCE):
                _sync_batch(units[at : at + AT_ONCE], server, progress, report)
    if clean:
        for unit in (*report.synced, *report.already):
            for run in unit.fragments:
                _delete(run)
    return report


def _sync_batch(units: list[Unit], server: Server, progress: Progress, report: Report) -> None:
    busy = []
    with ExitStack() as locks:
        mine: list[Unit] = []
        held: list[int] = []
        for unit in units:
            try:
                held += _lock(unit, locks, wait=False)
                mine.append(unit)
            except BlockingIOError:
                busy.append(unit)
            except OSError as error:
                report.failed.append((unit, [f"its folder cannot be written to: {error}"]))
        _sync_locked(mine, held, server, progress, report)
    for unit in busy:
        # Another sync is at it; while waiting, no lock is held for which that one could wait.
        with ExitStack() as locks:
            try:
                held = _lock(unit, locks, wait=True)
            except OSError as error:
                report.failed.append((unit, [f"another sync took its folder away: {error}"]))
                continue
            _sync_locked([unit], held, server, progress, report)


def _sync_locked(units: list[Unit], held: list[int], server: Server, progress: Progress, report: Report) -> None:
    pending = []
    for unit in units:
        unit.entity = unit.entity or server.entity
        if is_synced(unit, server.url):
            report.already.append(unit)
            progress("uploaded", 1)
            progress("checked", 1)
        else:
            pending.append(unit)
    uploads = [Upload(unit) for unit in pending if not all(_mark(run, server.url) for run in unit.fragments)]
    progress("uploaded", len(pending) - len(uploads))
    with ThreadPoolExecutor(_WORKERS) as pool:
        _upload(uploads, held, server, progress, pool)
        failed = {id(upload.unit): upload.reasons for upload in uploads if upload.reasons}

        def settle(unit: Unit) -> list[str]:
            reasons = failed.get(id(unit)) or _attempt(lambda: list(server.add_inputs(unit)))
            if not reasons:
                _write_mark(unit, server, complete=True)
            progress("checked", 1)
            return reasons

        for unit, reasons in zip(pending, pool.map(settle, pending), strict=True):
            if reasons:
                report.failed.append((unit, reasons))
            else:
                report.synced.append(unit)


def _upload(
    uploads: list[Upload], held: list[int], server: Server, progress: Progress, pool: ThreadPoolExecutor
) -> None:
    """Upload runs and check that they arrived."""
    with _scratch() as (scratch, lock):

        def prepare(number: int, upload: Upload) -> list[str]:
            upload.before = server.remote(upload.unit)
            upload.how = continuation(upload.unit, None if upload.is_second else upload.before)
            upload.folder = rewrite(upload.unit, scratch / str(number), upload.how)
            return []

        list(
            pool.map(
                lambda number, upload: upload.attempt(lambda: prepare(number, upload)), range(len(uploads)), uploads
            )
        )
        ready = [upload for upload in uploads if not upload.reasons]
        progress("uploaded", len(uploads) - len(ready))
        if not ready:
            return
        so_far = 0

        def show(count: int) -> None:
            nonlocal so_far
            progress("uploaded", count - so_far)
            so_far = count

        said = server.upload([upload.folder for upload in ready], [*held, lock], show)
        show(len(ready))
        list(pool.map(lambda upload: upload.attempt(lambda: _check(upload, said, server)), ready))
    again = [upload for upload in ready if upload.is_second and not upload.is_checked]
    if again:
        progress("uploaded", -len(again))
        _upload(again, held, server, progress, pool)


def _check(upload: Upload, said: str, server: Server) -> list[str]:
    unit, how = upload.unit, upload.how
    if not is_uploaded(upload.folder):
        return [f"the client did not finish its sync: {_words_about(unit, said)}", *server.check(unit, how)]
    if how.after is not None and not how.is_resumed and not upload.is_second:
        after = server.remote(unit)
        if upload.before is None or after is None or after.first_row != upload.before.first_row:
            # This server drops the rows of a run that is opened anew: it has to get all of them.
            upload.is_second = True
            return []
    upload.is_checked = True
    lines = list(server.check(unit, how))
    if not lines:
        _write_mark(unit, server, complete=False)
    return lines


def _words_about(unit: Unit, said: str) -> str:
    lines = [line for line in said.splitlines() if unit.id in line] or said.splitlines()
    return lines[-1] if lines else "it said nothing"


def _write_mark(unit: Unit, server: Server, *, complete: bool) -> None:
    """Keep that a run is on the server; only once its edges are, too, is it complete."""
    for run in unit.fragments:
        mark = {
            "format": FORMAT,
            "complete": complete,
            "url": server.url,
            "run": f"{unit.entity}/{unit.project}/{unit.id}",
        }
        partial = run.marker.with_name(f"{run.marker.name}.{os.getpid()}")
        partial.write_text(json.dumps(mark) + "\n")
        partial.replace(run.marker)
        if complete and not run.is_packed:
            # By this the client's own sync knows.
            (run.place / f"{run.log}.synced").touch()


def _delete(run: Run) -> None:
    if run.is_packed:
        for path in (run.place, run.marker, run.lock):
            path.unlink(missing_ok=True)
    else:
        shutil.rmtree(run.place, ignore_errors=True)


def _lock(unit: Unit, locks: ExitStack, *, wait: bool) -> list[int]:
    """Lock all of a run's folders, or none.

    Raises:
        BlockingIOError: Another process has one of them, and `wait` is not set.
    """
    with ExitStack() as own:
        files = []
        for run in unit.fragments:
            run.lock.parent.mkdir(exist_ok=True)
            files.append(own.enter_context(_locked(run.lock, wait=wait)))
        locks.push(own.pop_all())
        return files


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[int]:
    """Hold a lock, which ends with the processes that hold it, however they end."""
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file.fileno()


@contextmanager
def _scratch() -> Iterator[tuple[Path, int]]:
    """A folder to work in and its lock; what syncs that were killed have left behind is deleted."""
    prefix = "wandb-track-sync-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError), _locked(left / "lock", wait=False):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, _locked(Path(name, "lock"), wait=True) as lock:
        yield Path(name), lock
