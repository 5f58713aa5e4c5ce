"""A run's own key stays that run's own, on a machine where tasks with several keys share a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ._private import find
from ._service import session

_turn = threading.Condition()
_opening = {True: 0, False: 0}
_kept: list[tuple[Any, dict[str, Any]]] = []


@contextmanager
def session_key_kept(*, is_keyed: bool) -> Iterator[None]:
    """Keep a run's own key from becoming the key of the client's session, which later runs would inherit.

    Runs with a key of their own open side by side, and so do runs without; but one kind waits for the other,
    because what the client keeps for the session in the meantime is not to be seen by a run without a key.
    """
    with _turn:
        _turn.wait_for(lambda: not _opening[not is_keyed])
        _opening[is_keyed] += 1
        if is_keyed and _opening[True] == 1:
            _kept[:] = [(owner, {name: getattr(owner, name) for name in names}) for owner, names in _places()]
    try:
        yield
    finally:
        with _turn:
            _opening[is_keyed] -= 1
            if is_keyed and not _opening[True]:
                for owner, values in _kept:
                    for name, value in values.items():
                        setattr(owner, name, value)
                _kept.clear()
            _turn.notify_all()


def _places() -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Where the client keeps the key of its session."""
    authenticate = find("wandb.sdk.lib.wbauth:authenticate")
    if authenticate is not None and hasattr(authenticate, "_session_auth"):
        yield authenticate, ("_session_auth",)
        yield session().settings, ("api_key", "base_url", "identity_token_file")
