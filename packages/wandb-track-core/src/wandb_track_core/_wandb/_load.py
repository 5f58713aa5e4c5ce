"""Importing the client: its version, and what it does beside a run's own work."""

from __future__ import annotations

import os
import re
import sys

from wandb_track_core.errors import TrackError

from ._private import find, replace
from ._speedups import docstrings_unread, nothing_collected, speed_up

OLDEST = "0.29"
"""The oldest client that this project supports, as the packages of the orchestrators declare."""
LOGIN_SECONDS = 2
"""How long the client may verify a key, twice. It does so before `init_timeout` begins to count, and goes on without
an answer; its own 5 seconds would delay each task by 10 where the server does not answer."""


class ClientError(TrackError):
    """The client is not installed, or is one that cannot be used."""


def load() -> None:
    """Import the client, which takes as long as it takes, and bound what it does beside a run's own work.

    Its reports about itself are switched off, unless the user asked for them: where the network is gone, they keep a
    process from ending for 10 seconds. Once a session has begun they stay as they are, since the client warns of
    variables that change.

    Raises:
        ClientError: The client is not installed, too old, or fails when it is imported.
    """
    is_first = "wandb" not in sys.modules
    try:
        with nothing_collected(), docstrings_unread():
            import wandb
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise ClientError(f"the wandb client cannot be imported: {error}") from error
        raise ClientError(f"wandb is not installed: pip install 'wandb>={OLDEST}'") from error
    except Exception as error:
        raise ClientError(f"the wandb client cannot be imported: {type(error).__name__}: {error}") from error
    version = getattr(wandb, "__version__", "")
    if not version:  # the folder of offline runs is called so, too, and counts as a package without contents
        raise ClientError(f"wandb is not installed: pip install 'wandb>={OLDEST}'")
    if _numbers(version) < _numbers(OLDEST):
        raise ClientError(f"wandb {version} is too old: pip install 'wandb>={OLDEST}'")
    if is_first or find("wandb.sdk.wandb_setup:_singleton") is None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    replace("wandb.sdk.lib.identity:_RESOLVE_TIMEOUT_SECONDS", lambda seconds: LOGIN_SECONDS)
    speed_up()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:2]]
