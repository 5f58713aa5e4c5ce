"""One tracked run around one task attempt: open, make current, close with the task's true outcome."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _client
from ._closing import finish
from ._notify import notify
from ._opening import Opened, Opening
from ._policy import OnError, check_policy
from ._ranks import Ranks
from ._signals import TerminationWatch
from .current import Frame, pop, push
from .errors import TrackerFaultError
from .identity import TaskIdentity, check_identity

if TYPE_CHECKING:
    from types import TracebackType

    import wandb

TERMINATED = 143
"""The exit code of a process that SIGTERM ended: 128 + 15."""
TERMINATION_SECONDS = 10.0
"""How long all runs together may take to close on SIGTERM. Kubernetes waits 30 seconds before it kills."""


class TrackedRun:
    """A W&B run for one task attempt, as a context manager: `with TrackedRun(...) as run:` or `async with`.

    Also usable in two halves (`open`, `close`), where an orchestrator calls hooks before and after a task.

    What the user gives wins over the user's settings, these over `WANDB_*` variables, these over what follows
    from the identity. The exception: a run id in the environment is no task's own, and is not used. With
    `resume="allow"`, "must" or "auto", all attempts of the task continue one run.

    Args:
        identity: The task attempt; the run's id, name, group, job type, tags, notes and config follow from it.
        api_key: The key that this run alone uses, or a function that is asked for it when a server is to be
            reached, and not otherwise. None, from either: the user's own login.
        base_url: The W&B server's API address. None: the client's own default.
        settings: A `wandb.Settings` or a dictionary of settings. It is not changed.
        on_error: What to do where the tracker fails (server, service, disk): "offline", the default, goes on with an
            offline run and says in the end how to sync it, "warn" goes on untracked, "raise" raises
            `TrackerFaultError`. A mistake of the user's always raises.
        init_timeout: Seconds that opening may wait for the server; 7 by default.
        finish_timeout: Seconds that closing may wait for a server that does not answer; 10 by default. An upload
            that moves is waited for.
        ranks: What several processes that run one task (torchrun) do: "first", the default, lets rank 0 open the run
            and the others be quiet; "all" opens a run for each rank, in one group; "shared" lets all write to one
            run, in the client's experimental shared mode.
        store: Brings a tar to a place that outlives this machine, and returns its address. It is given the run, packed,
            where that stayed offline and is closed.
        login_optional: What it means that there is neither a key nor a login, nor a terminal to ask for one:
            False, the user's mistake, which raises; True, that the run is to be kept offline.
        **arguments: Everything else that `wandb.init` takes, such as `project`, `id`, `config` or `mode`. `dir` can
            also be a function, which is asked where a run is opened, and not otherwise.

    Attributes:
        identity: As given.
        run: The open run; None before `open` and after `close`.

    Raises:
        ArgumentError: An argument of ours cannot be used.
    """

    def __init__(
        self,
        identity: TaskIdentity,
        *,
        api_key: str | Callable[[], str | None] | None = None,
        base_url: str | None = None,
        settings: Any = None,
        on_error: OnError | None = None,
        init_timeout: float | None = None,
        finish_timeout: float | None = None,
        ranks: Ranks | None = None,
        store: Callable[[Path], str] | None = None,
        login_optional: bool = False,
        **arguments: Any,
    ) -> None:
        self.identity = check_identity(identity)
        self.run: wandb.Run | None = None
        self._policy = check_policy(on_error, init_timeout, finish_timeout, ranks)
        self._opening = Opening(identity, arguments, settings, self._policy, api_key, base_url, login_optional)
        self._store = store
        self._frame: Frame | None = None
        self._guard: _client.Guard | None = None
        self._fault: Exception | None = None
        self._has_no_login = False
        self._process = os.getpid()

    def __enter__(self) -> wandb.Run:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    async def __aenter__(self) -> wandb.Run:
        import asyncio

        opening = asyncio.get_running_loop().run_in_executor(None, copy_context().run, self._opening.open)
        try:
            return self._enter(await asyncio.shield(opening))
        except asyncio.CancelledError as error:
            # A thread cannot be cancelled: what it opens is closed once it is there, by a task that is shielded from
            # a second cancellation.
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._close_once_open(opening, error))
            raise

    async def _close_once_open(self, opening: Awaitable[Opened], error: BaseException) -> None:
        with suppress(Exception):
            self._enter(await opening)
            await self.__aexit__(type(error), error, None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio

        run = self._leave()
        await asyncio.to_thread(self._finish, run, error, None)

    def __repr__(self) -> str:
        return f"<TrackedRun of {self.identity.name}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a TrackedRun cannot be pickled, because it belongs to its process and may hold a key: "
            "give its identity instead, and make one where the task runs"
        )

    @property
    def is_tracked(self) -> bool:
        """Whether a real run is open, online or offline."""
        return self.run is not None and not self.run.disabled

    def open(self) -> wandb.Run:
        """Open the run and make it current in this context.

        Returns:
            The `wandb.Run`, or a `QuietRun` where tracking is switched off or failed under `on_error="warn"`.

        Raises:
            TrackerFaultError: The tracker failed, and `on_error` is "raise".
            Exception: What the client raises for a mistake of the user's.
        """
        return self._enter(self._opening.open())

    def close(self, error: BaseException | None = None, exit_code: int | None = None) -> None:
        """Make the outer run current again, and finish this one. A second call does nothing.

        Args:
            error: What the task raised. The run keeps its type and message; it is not changed.
            exit_code: The run's exit code; None takes the one that the error stands for.

        Raises:
            TrackerFaultError: The tracker failed, `on_error` is "raise", and the task itself did not fail.
        """
        self._finish(self._leave(), error, exit_code)

    def _enter(self, opened: Opened) -> wandb.Run:
        run: wandb.Run = opened.run
        self.run, self._fault, self._has_no_login = run, opened.fault, opened.has_no_login
        if not run.disabled:
            self._guard = _client.Guard(run, self._note_fault, goes_on=self._policy.on_error == "offline")
            _watch(self)
        self._frame = Frame(run, _client.names_of(run))
        push(self._frame)
        return run

    def _note_fault(self, fault: Exception) -> None:
        # That nobody is logged in is no fault, and less to say than one.
        if self._fault is None or self._has_no_login:
            self._fault, self._has_no_login = fault, False

    def _leave(self) -> Any:
        """Make the outer run current again, first of all: finishing must not touch what `wandb.log` means."""
        run, self.run = self.run, None
        if self._frame is not None:
            pop(self._frame)
            self._frame = None
        _unwatch(self)
        return run

    def _finish(self, run: Any, error: BaseException | None, exit_code: int | None) -> None:
        # A forked child comes here with its parent's run, which is the parent's to finish.
        if run is None or os.getpid() != self._process:
            return
        fault = finish(run, self._guard.uploads if self._guard else (), self._policy, error, exit_code)
        if fault is not None:
            self._note_fault(fault)
        fault = self._fault
        if fault is not None and self._policy.on_error == "raise" and error is None and not self._has_no_login:
            raise TrackerFaultError(f"the run is not kept whole: {fault}") from fault
        folders = [*self._guard.left, _client.folder_of(run)] if self._guard else []
        addresses = self._store_away(run, folders)
        if fault is not None:
            notify(self._account(run, fault, folders, addresses))
        elif addresses:
            notify(f"the run was kept offline. {_how_to_sync(addresses)}")

    def _store_away(self, run: Any, folders: list[str]) -> list[str]:
        """Where a run was brought that would otherwise be gone with this machine."""
        if run.disabled or not run.offline:
            return []
        from .packing import keep_saved, store

        if self._store is None:
            for folder in folders:
                keep_saved(folder)
            return []
        try:
            return [store(folder, self._store, is_closed=folder == folders[-1]) for folder in folders]
        except Exception as fault:
            notify(f"the offline run lies on this machine only, because it could not be stored elsewhere: {fault}")
            return []

    def _account(self, run: Any, fault: Exception, folders: list[str], addresses: list[str]) -> str:
        """One line: what failed, what became of the run, and how to bring it to the server."""
        failure = " ".join(str(fault).split()).rstrip(".") or type(fault).__name__
        reason = "nobody is logged in to W&B here" if self._has_no_login else f"the tracker failed: {failure}"
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
        is_silent = self._guard is not None and self._guard.is_silent
        outcome = "the rest of this task was not tracked" if is_silent else "the run is kept on this disk"
        return f"{outcome}, because {reason}. Sync it with: {command} {' '.join(folders)}"

    def _terminate(self) -> None:
        run, self.run = self.run, None
        if run is not None:
            run.mark_preempting()
            self._finish(run, None, TERMINATED)


def _how_to_sync(addresses: list[str]) -> str:
    places = " ".join(addresses)
    if "://" in places:
        return f"Download {places}, and sync the copy with: wandb-track sync"
    return f"Sync it with: wandb-track sync {places}"


_watched: list[TrackedRun] = []


def _terminate_all() -> None:
    """Close all open runs, side by side: they share the seconds that the orchestrator leaves."""
    runs = [threading.Thread(target=tracked._terminate, daemon=True) for tracked in reversed(_watched)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(TERMINATION_SECONDS)


_watch_for_termination = TerminationWatch(_terminate_all)


def _watch(tracked: TrackedRun) -> None:
    _watched.append(tracked)
    _watch_for_termination.start()


def _unwatch(tracked: TrackedRun) -> None:
    if tracked in _watched:
        _watched.remove(tracked)
        if not _watched:
            _watch_for_termination.stop()
