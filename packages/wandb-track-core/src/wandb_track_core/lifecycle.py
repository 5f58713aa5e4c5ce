"""One tracked run around one task attempt: open, make current, close with the task's true outcome."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _wandb
from ._closing import finish, finish_one
from ._fuse import fuse, report_bug
from ._keeping import keep
from ._notify import notify
from ._opening import Opened, Opening
from ._policy import OnError, check_policy
from ._ranks import Ranks
from ._signals import TERMINATED, TerminationWatch
from .current import Frame, current_frame, pop, push
from .errors import TrackerFaultError, TrackError
from .identity import TaskIdentity, check_identity

if TYPE_CHECKING:
    from types import TracebackType

    import wandb

    from ._key import ExportedKey

_watch_for_termination = TerminationWatch()


class TrackedRun:
    """A W&B run for one task attempt, as a context manager: `with TrackedRun(...) as run:` or `async with`.

    Also usable in two halves (`open`, `close`), where an orchestrator calls hooks before and after a task.

    What the user gives wins over the user's settings, these over `WANDB_*` variables, these over what follows
    from the identity. The exception: a run id in the environment is no task's own, and is not used. With
    `resume="allow"`, "must" or "auto", all attempts of the task continue one run.

    Args:
        identity: The task attempt; the run's id, name, group, job type, tags, notes and config follow from it.
        api_key: The API key, or a function that returns it. It is called only if a server has to be reached. None,
            from either, means the user's own login. The key is this run's alone, except `in_container`.
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
            if that stayed offline and is closed.
        in_container: Whether this process is the task's own, on a machine where nobody has logged in. Then
            WANDB_API_KEY and WANDB_BASE_URL hold the key and its server while the run is open, so that child
            processes, `wandb.Api()` and further runs have them; and having no key at all is the user's mistake,
            which raises. Otherwise a run without any login is kept offline.
        **arguments: Everything else that `wandb.init` takes, such as `project`, `id`, `config` or `mode`. `dir` can
            also be a function, which is asked where a run is opened, and not otherwise.

    Attributes:
        identity: As given.
        run: The open run, for the orchestrator's package: it stays open when the task's code calls `finish()`. None
            before `open` and after `close`.
        stored: Once it is closed, where an offline run was brought that would be lost with this machine.

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
        in_container: bool = False,
        **arguments: Any,
    ) -> None:
        self.identity = check_identity(identity)
        self.run: wandb.Run | None = None
        self.stored: list[str] = []
        self._policy = check_policy(on_error, init_timeout, finish_timeout, ranks)
        self._opening = Opening(identity, arguments, settings, self._policy, api_key, base_url, in_container)
        self._store = store
        self._frame: Frame | None = None
        self._guard: _wandb.Guard | None = None
        self._key: ExportedKey | None = None
        self._fault: Exception | None = None
        self._outcome: tuple[BaseException | None, int | None] = None, None
        self._process = os.getpid()
        self._is_terminated = False

    def __enter__(self) -> wandb.Run:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    async def __aenter__(self) -> wandb.Run:
        import asyncio

        self._refuse_second_opening()
        opening = asyncio.get_running_loop().run_in_executor(None, copy_context().run, self._open, current_frame())
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
        try:
            await asyncio.to_thread(self._finish, run, error, None)
        finally:
            _watch_for_termination.remove(self._terminate)

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
            RuntimeError: The run is open already.
            Exception: What the client raises for a mistake of the user's.
        """
        self._refuse_second_opening()
        return self._enter(self._open(current_frame()))

    def leave(self) -> None:
        """Make the outer run current again, and leave this one open: `close` finishes it."""
        if self._frame is not None:
            pop(self._frame)

    def close(self, error: BaseException | None = None, exit_code: int | None = None) -> None:
        """Make the outer run current again, and finish this one. A second call does nothing.

        Args:
            error: What the task raised. The run keeps its type and message; it is not changed.
            exit_code: The run's exit code; None takes the one that the error stands for.

        Raises:
            TrackerFaultError: The tracker failed, `on_error` is "raise", and the task itself did not fail.
        """
        try:
            self._finish(self._leave(), error, exit_code)
        finally:
            _watch_for_termination.remove(self._terminate)

    def _open(self, outer: Frame | None) -> Opened:
        try:
            return self._opening.open(outer)
        except Exception as error:
            if isinstance(error, TrackError) or error is self._opening.mistake:
                raise
            report_bug("opening the run", error)
            return Opened(self._opening.quiet_run())

    def _refuse_second_opening(self) -> None:
        if self._frame is not None:
            raise RuntimeError(f"{self!r} is open already: call close() first, or use another TrackedRun")

    def _enter(self, opened: Opened) -> wandb.Run:
        run: wandb.Run = opened.run
        self.run, self._fault = run, opened.fault
        self._guard, self._key = None, opened.key
        shown = run
        if not run.disabled:
            reopen = opened.reopen if self._policy.on_error == "offline" else None
            with fuse("guarding the run"):
                self._guard = _wandb.Guard(run, reopen, self._note_fault, self._release, _read_summary)
                shown = self._guard.user
            _watch_for_termination.add(self._terminate)
        self._frame = Frame(shown, run)
        self._frame.functions = _wandb.functions_of(self._frame)
        push(self._frame)
        if self._key is not None:
            self._key.owner = self._frame
        return shown

    def _release(self) -> None:
        if self._frame is not None:
            self._frame.is_released = True
            self._frame.assigned.clear()

    def _note_fault(self, fault: Exception) -> None:
        self._fault = self._fault or fault

    def _leave(self) -> Any:
        """Make the outer run current again, first of all: finishing must not touch what `wandb.log` means."""
        run, self.run = self.run, None
        self.leave()
        return run

    def _finish(self, run: Any, error: BaseException | None, exit_code: int | None) -> None:
        # A forked child comes here with its parent's run, which is the parent's to finish.
        if run is None or os.getpid() != self._process:
            return
        frame, self._frame = self._frame, None
        if error is not None and exit_code is None and self._is_terminated:
            exit_code = TERMINATED
        self._outcome = error, exit_code
        account = ""
        try:
            for left_open in frame.to_close[::-1] if frame is not None else ():
                self._finish_other(left_open, error, exit_code)
            if self._guard is not None and (fault := finish(self._guard, self._policy, error, exit_code)):
                self._note_fault(fault)
            elif self._guard is None and not run.disabled:
                self._finish_other(run, error, exit_code)
            with fuse("closing the run"):
                account, self.stored = keep(run, self._guard, self._fault, self._store)
        finally:
            if self._key is not None:
                self._key.withdraw()
        fault = self._fault
        if fault is not None and self._policy.on_error == "raise" and error is None:
            raise TrackerFaultError(account) from fault
        if account:
            notify(account)

    def _finish_other(self, run: Any, error: BaseException | None, exit_code: int | None) -> None:
        """Finish a run that is not guarded: one that the task's code opened and left open."""
        try:
            finish_one(run, self._policy, error, exit_code)
        except Exception as fault:
            notify(f"run {run.id} could not be finished: {fault}")

    def _terminate(self, ends: bool) -> None:
        if not ends:
            self._is_terminated = True
            if self.run is not None:
                self.run.mark_preempting()
            return
        with suppress(Exception):
            _wandb.mute_client()  # what reads our standard error may be ending by the same signal
        run, self.run = self.run, None
        if run is not None:
            self._finish(run, None, TERMINATED)
        elif self._guard is not None:  # its task has ended, and its uploads are waited for
            finish_one(self._guard.own, self._policy, *self._outcome)


def _read_summary(folder: str) -> Mapping[str, Any]:
    """What the summary of a run held, as far as it is on the disk."""
    from .offline import find_runs

    return {name: value for run in find_runs(folder) for name, value in run.summary.items()}
