"""A run's own key stays that run's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_turn = threading.Condition()
_opening = {True: 0, False: 0}
_kept: list[Any] = []


@contextmanager
def session_credentials_kept(*, is_keyed: bool) -> Iterator[None]:
    """Keep a run's own key from becoming the session's credential, which later runs would inherit.

    Runs with a key of their own open side by side, and so do runs without; but one kind waits for the other,
    because what the client keeps for the session in the meantime is not to be seen by a run without a key.
    """
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib.wbauth import authenticate

    with _turn:
        _turn.wait_for(lambda: not _opening[not is_keyed])
        _opening[is_keyed] += 1
        session = wandb_setup.singleton().settings
        if is_keyed and _opening[True] == 1:
            _kept[:] = [authenticate._session_auth, session.api_key, session.base_url, session.identity_token_file]
    try:
        yield
    finally:
        with _turn:
            _opening[is_keyed] -= 1
            if is_keyed and not _opening[True]:
                authenticate._session_auth, session.api_key, session.base_url, session.identity_token_file = _kept
                _kept.clear()
            _turn.notify_all()
