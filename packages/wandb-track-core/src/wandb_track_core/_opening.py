"""Opening a run, and what becomes of it where that fails."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import _wandb
from ._arguments import is_disabled, is_offline, merge, resume_of, settings_given, with_link
from ._bounded import bounded
from ._key import ExportedKey
from ._names import legal_id
from ._notify import notify, notify_once
from ._policy import Policy
from ._ranks import of_rank, rank_of, shared_settings
from .current import Frame
from .errors import MissingKeyError, TrackerFaultError, TrackError
from .identity import TaskIdentity
from .quiet import QuietRun

OPEN_MARGIN = 7.0
"""Seconds beyond `init_timeout` after which a client that has not come back is taken to hang."""
SAME_ID_LIMIT = 20
"""How many runs of the same id at once are given ids of their own."""


class Opened(NamedTuple):
    """A run that was opened, or the quiet one in its place.

    Attributes:
        run: A `wandb.Run` or a `QuietRun`.
        fault: Why it is not the run that was asked for; None where it is.
        reopen: Opens the run again, offline, given the run; None for a quiet one.
        key: The key in the environment that is to be withdrawn with the run; None where there is none.
    """

    run: Any
    fault: Exception | None = None
    reopen: Callable[[Any], Any] | None = None
    key: ExportedKey | None = None


class Opening:
    """Everything that opening a run needs to know.

    Args:
        identity: The task attempt.
        given: The user's arguments to `wandb.init`.
        settings: The user's settings.
        policy: What to do where the tracker fails.
        api_key: A key, or a function that is called for it when a server has to be reached.
        base_url: The server's API address.
        in_container: Whether the process is the task's own.

    Attributes:
        mistake: The user's mistake for which opening failed.
    """

    def __init__(
        self,
        identity: TaskIdentity,
        given: Mapping[str, Any],
        settings: Any,
        policy: Policy,
        api_key: str | Callable[[], str | None] | None,
        base_url: str | None,
        in_container: bool,
    ) -> None:
        self.identity = identity
        self.given = given
        self.settings = settings
        self.policy = policy
        self.api_key = api_key
        self.in_container = in_container
        self.mistake: BaseException | None = None
        self.overrides: dict[str, Any] = {
            "base_url": base_url,
            "init_timeout": policy.init_timeout,
            "finish_timeout": policy.finish_timeout,
            "finish_timeout_raises": True,
        }

    def open(self, outer: Frame | None) -> Opened:
        """Open the run.

        Args:
            outer: The task in which this one runs.

        Raises:
            TrackerFaultError: The tracker failed, and `on_error` is "raise".
            Exception: What the client raises for a mistake of the user's.
        """
        rank = rank_of(self.identity)
        is_other_rank = bool(rank) and self.policy.ranks == "first"
        if is_other_rank or is_disabled(self.given, self.settings):
            return Opened(self.quiet_run())
        identity, given = self.identity, dict(self.given)
        if callable(given.get("dir")):
            given["dir"] = self._answer_of(given["dir"])
        if rank is not None and self.policy.ranks == "all":
            identity = of_rank(identity, rank)
            if given.get("id"):
                given["id"] = legal_id((f"{given['id']}.rank{rank}",))
        elif rank is not None and self.policy.ranks == "shared" and not is_offline(given, self.settings):
            given["mode"] = "shared"
            self.overrides |= shared_settings(rank)
        arguments = merge(identity, given, self.settings)
        key = self._key(outer)
        try:
            opened = self._open_by_policy(arguments)
            if not opened.run.disabled:
                self._complete(opened.run, identity)
        except BaseException:
            if key is not None:
                key.withdraw()
            raise
        return opened._replace(key=key, reopen=lambda run: self._reopen(arguments, run))

    def _answer_of(self, ask: Callable[[], Any]) -> Any:
        """What a function of the user's returns."""
        try:
            return ask()
        except Exception as error:
            self.mistake = error
            raise

    def _key(self, outer: Frame | None) -> ExportedKey | None:
        """Ask for the key, and put it into the environment of a container."""
        key = self.api_key
        if callable(key):
            key = None if is_offline(self.given, self.settings) else self._answer_of(key)
        self.overrides["api_key"] = key
        if not key or not self.in_container or is_offline(self.given, self.settings):
            return None
        exported = ExportedKey(key, self.overrides["base_url"], outer)
        self.overrides["base_url"] = exported.base_url
        return exported

    def _open_by_policy(self, arguments: dict[str, Any]) -> Opened:
        try:
            _wandb.load()
            return Opened(self._open_with_own_id(arguments))
        except _wandb.ClientError as error:
            fault: Exception = error
        except TrackError:
            raise
        except Exception as error:
            if _wandb.is_missing_login(error):
                if self.in_container:
                    raise MissingKeyError(
                        "this task has no W&B API key, and nobody can log in here: "
                        "give secret=, which holds the key, or set WANDB_API_KEY"
                    ) from error
                return Opened(self._open_without_login(arguments))
            if _wandb.is_mistake_of_the_user(error, {**settings_given(self.settings), **self.given, "base_url": ""}):
                _wandb.name_what_was_refused(error, arguments)
                self.mistake = error.with_traceback(None)  # the client's frames would hide the message
                raise self.mistake from error.__cause__
            fault = error
        if self.policy.on_error == "raise":
            raise TrackerFaultError(f"the run could not be opened: {fault}") from fault
        if self.policy.on_error == "warn" or isinstance(fault, _wandb.ClientError):
            return Opened(self.quiet_run(), fault)
        try:
            return Opened(self._open_offline(arguments, fault), fault)
        except Exception:
            return Opened(self.quiet_run(), fault)

    def _open_without_login(self, arguments: dict[str, Any]) -> Any:
        run = self._open_with_own_id({**arguments, "mode": "offline"})
        folder = Path(_wandb.folder_of(run)).parent
        line = "nobody is logged in to W&B here, so runs are kept offline. Sync them with: wandb-track sync"
        notify_once(f"{line} {folder}", key=line)
        return run

    def _open_with_own_id(self, arguments: dict[str, Any]) -> Any:
        """Open a run; where its id is taken by another run, or by one that was deleted, under an id beside it."""
        wanted = arguments.get("id")
        for number in range(2, SAME_ID_LIMIT):
            try:
                return self._open_in_time(arguments)
            except Exception as error:
                if not wanted or not _wandb.is_taken(error):
                    raise
                reason = " ".join(str(error).split())
            arguments["id"] = legal_id((wanted, str(number)))
            notify(f"the run is opened as {arguments['id']}, because its own id is taken: {reason}")
        return self._open_in_time(arguments)

    def _open_in_time(self, arguments: dict[str, Any]) -> Any:
        """Open a run, with another service process where the first is found dead or hanging."""

        def call() -> Any:
            keeps_session_key = not self.in_container
            return _wandb.open_run(arguments, self.settings, self.overrides, keeps_session_key=keeps_session_key)

        # A terminal may be asked for a login, which takes as long as it takes.
        if sys.stdin is not None and sys.stdin.isatty():
            return call()
        seconds = self.policy.init_timeout + OPEN_MARGIN
        try:
            return bounded(call, seconds, "opening the run")
        except Exception as error:
            if not _wandb.is_service_fault(error) or _wandb.is_taken(error) or isinstance(error, TimeoutError):
                raise
            _wandb.replace_service()
            return bounded(call, seconds, "opening the run")

    def _open_offline(self, arguments: dict[str, Any], fault: Exception) -> Any:
        began = time.localtime()
        arguments = {**arguments, "mode": "offline"}
        if isinstance(fault, OSError) and not _wandb.is_service_fault(fault):
            import tempfile

            arguments["dir"] = tempfile.gettempdir()
        if _wandb.is_service_fault(fault):
            _wandb.replace_service()
        elif arguments.get("id") and _wandb.is_server_fault(fault):
            _wandb.release(arguments["id"])
        run = self._open_with_own_id(arguments)
        # What the client began online would be taken for another run by its own `wandb sync --include-online`.
        limit = self.policy.init_timeout + 2 * OPEN_MARGIN
        since = time.strftime("run-%Y%m%d_%H%M%S", time.localtime(time.mktime(began) - limit))
        for folder in Path(_wandb.folder_of(run)).parent.glob(f"run-*-{arguments.get('id')}"):
            if folder.name >= since:
                shutil.rmtree(folder, ignore_errors=True)
        return run

    def _reopen(self, arguments: Mapping[str, Any], run: Any) -> Any:
        """Go on with a run, offline, in a folder of its own."""
        facts = {name: getattr(run, name) for name in ("id", "name", "notes", "tags", "project", "entity")}
        kept = {name: value for name, value in arguments.items() if name not in ("resume_from", "fork_from")}
        config = {name: value for name, value in dict(run.config).items() if name != "_wandb"}
        facts |= {"config": config, "mode": "offline", "resume": "allow"}
        return self._open_in_time({**kept, **{name: value for name, value in facts.items() if value}})

    def quiet_run(self) -> QuietRun:
        """The run of a task that is not tracked."""
        _wandb.follow_context_once_imported()
        config = self.given.get("config")
        return QuietRun(config if isinstance(config, Mapping) else None)

    def _complete(self, run: Any, identity: TaskIdentity) -> None:
        """Add what can be known, or added without loss, only once the run is open."""
        if resume_of(self.given, self.settings):
            notes = with_link(identity.link, run.notes)
            if notes != (run.notes or ""):
                run.notes = notes
        for name, facts in identity.config.items():
            known = run.config.get(name)
            if known is None:
                run.config.update({name: facts}, allow_val_change=True)
            elif run.resumed and isinstance(known, Mapping):
                earlier = known.get("attempts") or [known.get("attempt")]
                attempts = list(dict.fromkeys([*earlier, identity.attempt]))
                run.config.update({name: {**known, **facts, "attempts": attempts}}, allow_val_change=True)
