"""One tracked run around one task attempt: open, make current, close with the task's true outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from . import _client
from ._arguments import is_disabled, is_offline, is_resuming, merge, with_link
from ._outcome import describe, exit_code_of
from ._report import say
from .current import Frame, pop, push
from .errors import ArgumentError, TrackerFaultError
from .identity import TaskIdentity
from .quiet import QuietRun

if TYPE_CHECKING:
    from types import TracebackType

    import wandb

OnError = Literal["offline", "warn", "raise"]
INIT_TIMEOUT = 8.0
"""Seconds that opening a run waits for the server, unless told otherwise."""
FINISH_TIMEOUT = 15.0
"""Seconds that closing a run waits for the server, unless told otherwise."""


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
        on_error: What to do where the tracker fails (server, service, disk): "offline" goes on with an offline
            run and says in the end how to sync it, "warn" goes on untracked, "raise" raises `TrackerFaultError`.
            A mistake of the user's always raises.
        init_timeout: Seconds that opening may wait for the server.
        finish_timeout: Seconds that closing may wait for the server.
        login_optional: What it means that there is neither a key nor a login, nor a terminal to ask for one:
            False, the user's mistake, which raises; True, that the run is to be kept offline.
        **arguments: Everything else that `wandb.init` takes, such as `project`, `id`, `config` or `mode`.

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
        on_error: OnError = "offline",
        init_timeout: float | None = None,
        finish_timeout: float | None = None,
        login_optional: bool = False,
        **arguments: Any,
    ) -> None:
        check_policy(on_error, init_timeout, finish_timeout)
        self.identity = identity
        self.run: wandb.Run | None = None
        self._given = arguments
        self._settings = settings
        self._on_error = on_error
        self._api_key = api_key
        self._login_optional = login_optional
        self._overrides = {
            "base_url": base_url,
            "init_timeout": INIT_TIMEOUT if init_timeout is None else init_timeout,
            "finish_timeout": FINISH_TIMEOUT if finish_timeout is None else finish_timeout,
        }
        self._frame: Frame | None = None
        self._outer: Frame | None = None
        self._fault: Exception | None = None

    def __enter__(self) -> wandb.Run:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    async def __aenter__(self) -> wandb.Run:
        import asyncio

        return self._enter(await asyncio.to_thread(self._open))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio

        run = self._leave()
        await asyncio.to_thread(self._finish, run, error, None)

    def __repr__(self) -> str:
        return f"<TrackedRun of {self.identity.name}>"

    def __reduce__(self) -> Any:
        raise TypeError("a TrackedRun belongs to its process and may hold a key: it cannot be pickled")

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
        return self._enter(self._open())

    def close(self, error: BaseException | None = None, exit_code: int | None = None) -> None:
        """Make the outer run current again, and finish this one. A second call does nothing.

        Args:
            error: What the task raised. The run keeps its type and message; it is not changed.
            exit_code: The run's exit code; None takes the one that the error stands for.

        Raises:
            TrackerFaultError: The tracker failed, `on_error` is "raise", and the task itself did not fail.
        """
        self._finish(self._leave(), error, exit_code)

    def _open(self) -> Any:
        if is_disabled(self._given, self._settings):
            return self._quiet_run()
        arguments = merge(self.identity, self._given, self._settings)
        key = self._key()
        try:
            run = _client.open_run(arguments, self._settings, {**self._overrides, "api_key": key})
        except Exception as error:
            if self._login_optional and _client.is_missing_login(error):
                self._fault = error
                run = _client.open_run({**arguments, "mode": "offline"}, self._settings, self._overrides)
            elif _client.is_mistake_of_the_user(error):
                raise
            else:
                run = self._open_despite(error, arguments)
        if not run.disabled:
            self._complete(run)
        return run

    def _key(self) -> str | None:
        if not callable(self._api_key):
            return self._api_key
        return None if is_offline(self._given, self._settings) else self._api_key()

    def _open_despite(self, fault: Exception, arguments: dict[str, Any]) -> Any:
        """What `on_error` says where the tracker failed while the run was opened."""
        if self._on_error == "raise":
            raise TrackerFaultError(f"the run could not be opened: {fault}") from fault
        self._fault = fault
        if self._on_error == "warn":
            return self._quiet_run()
        try:
            if arguments.get("id"):
                _client.release(arguments["id"])
            return _client.open_run({**arguments, "mode": "offline"}, self._settings, self._overrides)
        except Exception as error:
            self._fault = error
            return self._quiet_run()

    def _quiet_run(self) -> QuietRun:
        _client.follow_context_once_imported()
        config = self._given.get("config")
        return QuietRun(config if isinstance(config, Mapping) else None)

    def _complete(self, run: wandb.Run) -> None:
        """Add what can be known, or added without loss, only once the run is open."""
        if is_resuming(self._given, self._settings):
            notes = with_link(self.identity.link, run.notes)
            if notes != (run.notes or ""):
                run.notes = notes
        for key, facts in self.identity.config.items():
            if key not in run.config:
                run.config.update({key: facts}, allow_val_change=True)  # type: ignore[no-untyped-call]

    def _enter(self, run: Any) -> wandb.Run:
        self.run = run
        self._frame = Frame(run, _client.names_of(run))
        self._outer = push(self._frame)
        opened: wandb.Run = run
        return opened

    def _leave(self) -> Any:
        """Make the outer run current again, first of all: finishing must not touch what `wandb.log` means."""
        run, self.run = self.run, None
        if self._frame is not None:
            pop(self._frame, self._outer)
            self._frame = self._outer = None
        return run

    def _finish(self, run: Any, error: BaseException | None, exit_code: int | None) -> None:
        if run is None:
            return
        code = exit_code_of(error) if exit_code is None else exit_code
        try:
            if not run.disabled and not _client.is_finished(run):
                if error is not None and code:
                    run.summary["exception"] = describe(error)
                run.finish(exit_code=code)
        except Exception as fault:
            if self._on_error == "raise" and error is None:
                raise TrackerFaultError(f"the run could not be closed: {fault}") from fault
            self._fault = fault
        if self._fault is not None:
            say(_account_of(self._fault, run))


def check_policy(on_error: Any, init_timeout: Any, finish_timeout: Any) -> None:
    """Refuse a policy that cannot be meant, before anything is opened.

    Raises:
        ArgumentError: Naming the argument.
    """
    if on_error not in ("offline", "warn", "raise"):
        raise ArgumentError("on_error", on_error, 'Give "offline", "warn" or "raise".')
    for name, value in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and value > 0):
            raise ArgumentError(name, value, "Give a number of seconds above 0, or None for the default.")


def _account_of(fault: Exception, run: Any) -> str:
    """One line: what failed, what became of the run, and how to bring it to the server."""
    reason = " ".join(str(fault).split()) or type(fault).__name__
    if run.disabled:
        return f"this task was not tracked, because the tracker failed: {reason}"
    if not _client.is_missing_login(fault):
        reason = f"the tracker failed: {reason}"
    return f"the run is kept offline, because {reason} Sync it with: wandb sync {_client.folder_of(run)}"
