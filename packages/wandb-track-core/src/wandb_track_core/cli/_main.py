"""What the user types, and what comes back: arguments, exit status, the sync's words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wandb_track_core._notify import notify
from wandb_track_core.errors import TrackError

if TYPE_CHECKING:
    from wandb_track_core.offline._runs import OfflineRun
    from wandb_track_core.offline._sync import SyncReport
    from wandb_track_core.offline._sync._sync import Progress as Advance

_NAMED = 10
"""How many runs of each outcome the summary names."""

GOOD, FAILED, MISUSED = 0, 1, 2
"""Exit status: all is well; something is not on the server, or not to be found; the command cannot be understood."""
INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended."""

_FIRST = """\
what people do first:
  wandb-track runs                   list the runs below this folder
  wandb-track report --open          draw them all as one page, and show it
  wandb-track sync                   bring them to the W&B server
  wandb-track doctor                 check versions, login, server, and what waits to be synced
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None for the process's own.

    Returns:
        The exit status.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return GOOD
    needed = ("rich", "wandb") if given.command == "lineage" else ("wandb",)
    # A folder of runs is called wandb, too: it counts as a package, but has no origin.
    lacking = [name for name in needed if getattr(find_spec(name), "origin", None) is None]
    if lacking:
        notify(f"this command needs {' and '.join(lacking)}: pip install 'wandb-track-core[cli]'")
        return MISUSED
    remote = [path for path in given.paths if "://" in path]
    if remote:
        notify(f"{', '.join(remote)}: not on this machine. Download it first, and give the path of the copy")
        return MISUSED
    paths = [Path(path) for path in given.paths]
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        notify(f"{', '.join(absent)} does not exist")
        return MISUSED
    if given.command == "sync":
        return _sync(given, paths)
    from . import _show

    if given.command == "runs":
        return _show.runs(paths, as_json=given.json)
    if given.command == "doctor":
        from ._doctor import doctor

        return doctor(paths, as_json=given.json)
    if given.command == "report":
        return _show.report(paths, Path(given.output), is_opened=given.open)
    if given.command == "show":
        return _show.show(given.run, paths, as_json=given.json)
    return _show.lineage(paths, as_mermaid=given.mermaid)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "wandb-track",
        description="Look at W&B runs on the disk, and sync them with their lineage.",
        epilog=_FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    runs = commands.add_parser("runs", help="list the offline runs below folders")
    show = commands.add_parser("show", help="show one run, whole, with its lineage")
    show.add_argument("run", help="a run's id, name, folder or tar")
    lineage = commands.add_parser("lineage", help="draw the graph of runs and artifacts")
    lineage.add_argument("--mermaid", action="store_true", help="as Mermaid text, for a page that draws it")
    report = commands.add_parser("report", help="draw all runs as one page, which needs no network")
    report.add_argument("-o", "--output", default="wandb-track-report.html", help="the page to write (%(default)s)")
    report.add_argument("--open", action="store_true", help="show it in the browser")
    sync = commands.add_parser("sync", help="bring offline runs to the server, with artifacts and lineage")
    sync.add_argument("-e", "--entity", default="", help="the entity of runs that name none")
    sync.add_argument("-p", "--project", default="", help="the project of runs that name none")
    sync.add_argument("--dry-run", action="store_true", help="check, and print what would be synced, in which order")
    sync.add_argument("--partial", action="store_true", help="sync complete runs even if others are incomplete")
    kept = sync.add_mutually_exclusive_group()
    kept.add_argument("--keep", action="store_true", default=True, help="keep what is synced (the default)")
    kept.add_argument("--clean", action="store_true", help="delete closed runs that are safely synced")
    kept.add_argument("--clean-killed", action="store_true", help="also never closed ones: only if no task runs")
    doctor = commands.add_parser("doctor", help="check versions, login, server, and what waits to be synced")
    for command in (runs, show, doctor):
        command.add_argument("--json", action="store_true", help="as JSON")
    for command in (runs, show, lineage, report, sync, doctor):
        command.add_argument(
            "paths", nargs="*", default=["."], help="folders or tars of runs, or above these (this folder)"
        )
    return parser


def _sync(given: argparse.Namespace, paths: list[Path]) -> int:
    from wandb_track_core.offline._finding import find_fragments
    from wandb_track_core.offline._sync._locks import locked
    from wandb_track_core.offline._sync._plan import plan
    from wandb_track_core.offline._sync._server import Server
    from wandb_track_core.offline._sync._sync import Sync

    found = find_fragments(paths)
    if not found:
        notify(f"no offline runs found in {', '.join(map(str, paths))}")
        return GOOD
    if given.dry_run:
        todo = plan(found, entity=given.entity, project=given.project)
        _print_what_lacks(todo)
        for number, level in enumerate(todo.levels, 1):
            for run in level:
                sys.stdout.write(f"{number}  {run.path}\n")
        return FAILED if todo.incomplete or todo.unreadable else GOOD
    try:
        server = Server()
        with locked(found) as (parts, held):
            todo = plan(parts, entity=given.entity, project=given.project, url=server.url)
            _print_what_lacks(todo)
            if todo.incomplete and not given.partial:
                notify("nothing was synced. Bring back what is missing or damaged, or sync the others with --partial")
                return FAILED
            with _bars(sum(map(len, todo.levels)) - len(todo.incomplete)) as advance:
                sync = Sync(todo, server, advance, held)
                sync.run()
            if given.clean or given.clean_killed:
                sync.clean(killed=given.clean_killed)
    except TrackError as error:
        notify(str(error))
        return FAILED
    except KeyboardInterrupt:
        notify("interrupted: the next sync goes on from here")
        return INTERRUPTED
    _print_outcome(sync.report)
    return GOOD if sync.report.is_good else FAILED


def _print_what_lacks(todo: SyncReport) -> None:
    for run, lines in todo.incomplete:
        _print_run(run, "is not whole:", lines)
    for place, reason in todo.unreadable:
        notify(f"{place} cannot be synced: {reason}")


@contextmanager
def _bars(count: int) -> Iterator[Advance]:
    """What shows the progress: on a terminal, where rich is installed."""
    if not (count and sys.stderr.isatty() and find_spec("rich")):
        yield lambda name, by: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {name: bars.add_task(name, total=count) for name in ("uploaded", "checked")}
        yield lambda name, by: bars.advance(tasks[name], by)


def _print_outcome(report: SyncReport) -> None:
    from wandb_track_core.offline._sync._files import unwritten

    for run in report.synced:
        if not run.is_closed:
            notify(f"{run.path} was never closed: its process was killed; or it still runs, and is to be synced again")
        if lost := unwritten(run):
            _print_run(run, "lost artifacts, because a process was killed before they were in the log:", lost)
    for path, lines in report.renamed.items():
        notify("\n    ".join([f"{path} names artifacts of several types alike:", *dict.fromkeys(lines)]))
    for run, names in report.unlinked:
        _print_run(run, "used what the server does not know, as its task was not tracked, or is not synced yet:", names)
    for run, reasons in report.failed:
        _print_run(run, "is not on the server as it should be:", reasons)
    for run, reason in report.kept:
        notify(f"{run.path} was not deleted: {reason}")
    not_synced = [run.path for run, _ in (*report.failed, *report.incomplete)]
    outcomes = {
        "synced": [run.path for run in report.synced],
        "there already": [run.path for run in report.already],
        "not synced": not_synced + [str(place) for place, _ in report.unreadable],
    }
    for outcome, names in outcomes.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            notify(f"{outcome}: {', '.join(names[:_NAMED])}{more}")
    notify(", ".join(f"{len(names)} {outcome}" for outcome, names in outcomes.items()))


def _print_run(run: OfflineRun, what: str, lines: list[str]) -> None:
    notify("\n    ".join([f"{run.path} {what}", *lines]))
