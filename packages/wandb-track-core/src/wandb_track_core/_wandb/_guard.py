"""Keeps a fault of the client's service process out of the user's code, and the run going.

The first call that fails replaces the service process for the whole Python process. Each run that was open then goes on
as a new offline run of the same id: the objects that user code holds take over the new run's state, so that every
handle (`run`, `log = run.log`, `config`, `summary`) reaches it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core import _ledger
from wandb_track_core._fuse import fuse
from wandb_track_core._notify import notify
from wandb_track_core.quiet import QuietMapping

from ._adopt import adopt
from ._private import find
from ._service import is_alive, open_runs, replace_service, replacing, session

if TYPE_CHECKING:
    import wandb

_OPTIONS = ("aliases", "tags")
_ABOUT_ARGUMENTS = (TypeError, ValueError, LookupError, AttributeError)
"""What a service process that died never raises, so that it is not asked whether it lives."""
MOST_SERVICES = 5
"""With how many further services a run goes on, at most: a machine on which they all die has another fault."""


class Guard:
    """Stands behind one open run of a tracked task.

    Args:
        run: The run, as `wandb.init` returned it.
        reopen: Opens the run again, offline, given the run; None where it is not to go on.
        on_fault: Called with each fault of the service.
        on_release: Called when the task's code finishes the run.
        read_summary: Reads from a run's folder what its summary held.

    Attributes:
        own: The run, for this project: it stays open until the task ends.
        user: The run, for the task's code: another object with the same state, so that its `finish()` can be told
            from the task's end.
        folders: The folders in which earlier parts of the run are, the earliest first.
        logged: The artifacts that the run logged, each with the options that `log_artifact` was given.
        is_muted: Whether nothing that is logged is kept any more.
        finishing: Held while the run is finished: a second call, as on SIGTERM, waits for the first.
    """

    def __init__(
        self,
        run: Any,
        reopen: Callable[[Any], Any] | None,
        on_fault: Callable[[Exception], None],
        on_release: Callable[[], None],
        read_summary: Callable[[str], Mapping[str, Any]],
    ) -> None:
        from . import _classes

        self.own = run
        self.user: wandb.Run = _classes.user_face(run)
        self.folders: list[str] = []
        self.logged: list[tuple[Any, dict[str, Any]]] = []
        self.metrics: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.summary: dict[str, Any] = {}
        self.quiet_summary = QuietMapping()
        self.is_muted = False
        self.finishing = threading.RLock()
        self.process = os.getpid()
        self._reopen = reopen
        self._on_fault = on_fault
        self._on_release = on_release
        self._read_summary = read_summary
        self._session = session()
        self._runs = [run, self.user]
        self._parts = [(run.config, run.summary)]
        _classes.guard(self, run)
        open_runs.append(run)

    def call(self, what: Callable[[], Any], instead: Callable[[], Any]) -> Any:
        """Do something with the run, with the next service process where the present one is dead.

        Args:
            what: What to do. It finds the run's present state by itself.
            instead: What to do where the run is muted.
        """
        while not self.is_muted:
            state = vars(self.own)
            try:
                return what()
            except _ABOUT_ARGUMENTS:
                raise
            except Exception as error:
                if not self._is_mended(state, error):
                    raise
        return instead()

    def note_artifact(self, artifact: Any, options: dict[str, Any]) -> None:
        """Note an artifact that was logged, and keep an offline run's own copies of its files within its folder."""
        self.logged.append((artifact, {name: options[name] for name in _OPTIONS if name in options}))
        if self.own.offline:
            with fuse("keeping an artifact's files with its run"):
                adopt(self.own.settings.sync_dir, artifact.manifest.entries.values())

    def release(self) -> None:
        """Let the run look finished to the task's code, which called `finish()`."""
        from . import _classes

        find("Run:_is_finished", self.own)
        self._on_release()
        object.__setattr__(self.user, "__class__", _classes.released_run())

    def close(self) -> None:
        """Stop standing behind the run, which is finished."""
        open_runs[:] = [run for run in open_runs if run is not self.own]

    def leave_service(self) -> None:
        """Let the next run start another service process: this run's did not answer."""
        replace_service(self._session)

    def _is_mended(self, state: dict[str, Any], error: Exception) -> bool:
        """Whether an error came from a service process that is dead, so that the call can be made again."""
        with replacing:
            if vars(self.own) is not state or self.is_muted:
                return True
            if is_alive(self.own):
                return False
            reason = ConnectionError(f"the wandb service process died ({type(error).__name__})")
            self._on_fault(reason)
            try:
                if self._reopen is None or len(self.folders) >= MOST_SERVICES:
                    raise reason
                self._move(self._reopen)
            except Exception as fault:
                self.quiet_summary.update(self._known_summary(str(self.own.settings.sync_dir)))
                self.is_muted = True
                self.leave_service()
                if fault is not reason:
                    self._on_fault(fault)
            return True

    def _move(self, reopen: Callable[[Any], Any]) -> None:
        from . import _classes

        left = str(self.own.settings.sync_dir)
        step = find("Run:_local_step", self.own)
        replace_service(self._session)
        fresh = reopen(self.own)
        self._session = session()
        self.folders.append(left)
        config, summary = fresh.config, fresh.summary
        for old_config, old_summary in self._parts:
            object.__setattr__(old_config, "__dict__", vars(config))
            object.__setattr__(old_summary, "__dict__", vars(summary))
        for run in self._runs:
            object.__setattr__(run, "__dict__", vars(fresh))
        self._runs.append(fresh)
        self._parts.append((config, summary))
        open_runs[:] = [fresh if run is self.own else run for run in open_runs]
        self.own = fresh
        _classes.guard(self, fresh)
        if isinstance(step, int):
            fresh.log({}, step=step, commit=False)
            _ledger.append(Path(fresh.settings.sync_dir), edge="continues", step=step)
        given = self.summary
        fresh.summary.update(self._known_summary(left))
        self.summary = given
        metrics, self.metrics = self.metrics, []
        for args, kwargs in metrics:
            fresh.define_metric(*args, **kwargs)
        logged, self.logged = self.logged, []
        for artifact, options in logged:
            try:
                # The client removes its copies of what it has uploaded.
                if artifact.is_draft() and all(map(os.path.exists, _files(artifact))):
                    fresh.log_artifact(artifact, **options)
            except Exception as error:
                notify(f"artifact {artifact.name} may be missing, because it could not be logged again: {error}")

    def _known_summary(self, folder: str) -> dict[str, Any]:
        """What the summary held: what is on the disk, and what was set since."""
        try:
            kept = dict(self._read_summary(folder))
        except Exception:
            kept = {}
        return {name: value for name, value in kept.items() if not name.startswith("_")} | self.summary


def _files(artifact: Any) -> list[str]:
    return [entry.local_path for entry in artifact.manifest.entries.values() if entry.local_path and not entry.ref]
