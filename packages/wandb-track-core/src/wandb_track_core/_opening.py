"""Opening a run, and what becomes of it where that fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import _client
from ._arguments import is_disabled, is_offline, merge, resume_of, with_link
from ._bounded import bounded
from ._names import legal_id
from ._notify import notify
from ._policy import Policy
from ._ranks import of_rank, rank_of, shared_settings
from .errors import TrackerFaultError, TrackError
from .identity import TaskIdentity
from .quiet import QuietRun

OPEN_MARGIN = 7.0
"""Seconds beyond `init_timeout` after which a client that has not come back is taken to hang."""
RELEASE_SECONDS = 5.0
"""How long to wait until the service has let go of a run that failed to open. It takes milliseconds."""
SAME_ID_LIMIT = 20
"""How many runs of the same id at once are given ids of their own."""


class Opened(NamedTuple):
    """A run that was opened, or the quiet one in its place.

    Attributes:
        run: A `wandb.Run` or a `QuietRun`.
        fault: Why it is not the run that was asked for; None where it is.
        has_no_login: Whether the reason is only that nobody is logged in.
    """

    run: Any
    fault: Exception | None = None
    has_no_login: bool = False


class Opening:
    """Everything that opening a run needs to know.

    Args:
        identity: The task attempt.
        given: The user's arguments to `wandb.init`.
        settings: The user's settings.
        policy: What to do where the tracker fails.
        api_key: A key, or who is asked for it when a server is to be reached.
        base_url: The server's API address.
        login_optional: Whether a run is kept offline where there is no login.
    """

    def __init__(
        self,
        identity: TaskIdentity,
        given: Mapping[str, Any],
        settings: Any,
        policy: Policy,
        api_key: str | Callable[[], str | None] | None,
        base_url: str | None,
        login_optional: bool,
    ) -> None:
        self.identity = identity
        self.given = given
        self.settings = settings
        self.policy = policy
        self.api_key = api_key
        self.login_optional = login_optional
        self.overrides = {
            "base_url": base_url,
            "init_timeout": policy.init_timeout,
            "finish_timeout": policy.finish_timeout,
        }

    def open(self) -> Opened:
        """Open the run.

        Raises:
            TrackerFaultError: The tracker failed, and `on_error` is "raise".
            Exception: What the client raises for a mistake of the user's.
        """
        rank = rank_of(self.identity)
        is_other_rank = bool(rank) and self.policy.ranks == "first"
        if is_other_rank or is_disabled(self.given, self.settings):
            return Opened(self._quiet_run())
        identity, given = self.identity, dict(self.given)
        if callable(given.get("dir")):
            given["dir"] = given["dir"]()
        if rank is not None and self.policy.ranks == "all":
            identity = of_rank(identity, rank)
            if given.get("id"):
                given["id"] = legal_id((f"{given['id']}.rank{rank}",))
        elif rank is not None and self.policy.ranks == "shared":
            given["mode"] = "shared"
            self.overrides |= shared_settings(rank)
        arguments = merge(identity, given, self.settings)
        self._ask_for_key()
        opened = self._open_by_policy(arguments)
        if not opened.run.disabled:
            self._complete(opened.run, identity)
        return opened

    def _ask_for_key(self) -> None:
        key = self.api_key
        if callable(key):
            key = None if is_offline(self.given, self.settings) else key()
        self.overrides["api_key"] = key

    def _open_by_policy(self, arguments: dict[str, Any]) -> Opened:
        try:
            return Opened(self._open_with_own_id(arguments))
        except TrackError:
            raise
        except Exception as error:
            if self.login_optional and _client.is_missing_login(error):
                return Opened(self._open_with_own_id({**arguments, "mode": "offline"}), error, has_no_login=True)
            if _client.is_mistake_of_the_user(error):
                _client.name_what_was_refused(error, arguments)
                raise
            fault = error
        if self.policy.on_error == "raise":
            raise TrackerFaultError(f"the run could not be opened: {fault}") from fault
        if self.policy.on_error == "warn":
            return Opened(self._quiet_run(), fault)
        try:
            return Opened(self._open_offline(arguments, fault), fault)
        except Exception as error:
            return Opened(self._quiet_run(), error)

    def _open_with_own_id(self, arguments: dict[str, Any]) -> Any:
        """Open a run; where its id is taken by another run, or by one that was deleted, under an id beside it."""
        wanted = arguments.get("id")
        for number in range(2, SAME_ID_LIMIT):
            try:
                return self._open_in_time(arguments)
            except Exception as error:
                if not wanted or not _client.is_taken(error):
                    raise
                reason = " ".join(str(error).split())
            arguments["id"] = legal_id((wanted, str(number)))
            notify(f"the run is opened as {arguments['id']}, because its own id is taken: {reason}")
        return self._open_in_time(arguments)

    def _open_in_time(self, arguments: dict[str, Any]) -> Any:
        """Open a run, with another service process where the first is found dead or hanging."""

        def call() -> Any:
            return _client.open_run(arguments, self.settings, self.overrides)

        _client.load()
        # A terminal may be asked for a login, which takes as long as it takes.
        if sys.stdin is not None and sys.stdin.isatty():
            return call()
        seconds = self.policy.init_timeout + OPEN_MARGIN
        try:
            return bounded(call, seconds, "opening the run")
        except Exception as error:
            if not _client.is_service_fault(error) or _client.is_taken(error) or isinstance(error, TimeoutError):
                raise
            _client.renew_service()
            return bounded(call, seconds, "opening the run")

    def _open_offline(self, arguments: dict[str, Any], fault: Exception) -> Any:
        arguments = {**arguments, "mode": "offline"}
        if isinstance(fault, OSError) and not _client.is_service_fault(fault):
            import tempfile

            arguments["dir"] = tempfile.gettempdir()
        if _client.is_service_fault(fault):
            _client.renew_service()
        elif arguments.get("id"):
            bounded(lambda: _client.release(arguments["id"]), RELEASE_SECONDS, "letting go of the run")
        return self._open_in_time(arguments)

    def _quiet_run(self) -> QuietRun:
        _client.follow_context_once_imported()
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
