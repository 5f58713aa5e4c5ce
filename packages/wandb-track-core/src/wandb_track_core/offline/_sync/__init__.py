"""Uploads runs on disk to a W&B server."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wandb_track_core.offline._runs import OfflineRun

from ._plan import SyncReport

__all__ = ["SyncReport", "sync"]


def sync(
    runs: Iterable[OfflineRun],
    entity: str | None = None,
    project: str | None = None,
    clean: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> SyncReport:
    """Upload runs with their artifacts and lineage, with the user's own login.

    Producers are uploaded before consumers. A run with missing or damaged files is not uploaded, and does not stop the
    others. Runs that are on the server already are not uploaded again.

    Args:
        runs: What `find_runs` found.
        entity: The entity of runs that name none; None for the user's own.
        project: The project of runs that name none.
        clean: Delete closed runs that are safely on the server.
        progress: Called with "uploaded" or "checked", and with the number of runs that this step has just finished.

    Returns:
        The result for each run.

    Raises:
        TrackError: There is no login, the server does not answer, a folder cannot be written to, or the wandb client
            is too old.
    """
    from ._locks import locked
    from ._plan import plan
    from ._server import Server
    from ._sync import Sync

    server = Server()
    with locked(sorted((part for run in runs for part in run.fragments), key=lambda part: part.started)) as found:
        parts, held = found
        todo = plan(parts, entity=entity or "", project=project or "", url=server.url)
        work = Sync(todo, server, progress or (lambda name, by: None), held)
        work.run()
        if clean:
            work.clean(killed=False)
    return work.report
