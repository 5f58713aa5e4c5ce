"""The one place that opens a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core.errors import TrackError

from ._credentials import session_credentials_kept
from ._module import follow_context
from ._service import note_service
from ._speed import docstrings_unread, speed_up

if TYPE_CHECKING:
    import wandb

FLUSH_SECONDS = 0.5
"""How often the client writes its transaction log: what a kill can lose. Its own default is 15."""

LEAST_FREE = 64 * 1024
"""Bytes that a disk has free as long as the service can still write to it."""
LOGIN_SECONDS = 2
"""How long the client may ask, twice, whose key it has. It does so before `init_timeout` begins to count, and goes
on without an answer; its own 5 seconds would delay each task by 10 where the server does not answer."""

_COMPLAINTS = {
    b"failed to save record": "not everything could be written to disk",
    b"filestream: fatal error": "the server refused a part of what was sent",
    b"filestream: json decode error": "the server answered something that is not of W&B",
}


def load() -> None:
    """Import the client, which takes as long as it takes, and bound what it does beside a run's own work.

    Its reports about itself are switched off, unless the user asked for them: where the network is gone, they keep a
    process from ending for 10 seconds. Once a session has begun they stay as they are, since the client warns of
    variables that change.

    Raises:
        TrackError: The client is not installed.
    """
    try:
        with docstrings_unread():
            from wandb.sdk import wandb_setup
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise
        raise TrackError("a run needs the W&B client, which is not installed: pip install wandb") from error

    if wandb_setup._singleton is None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    with suppress(ImportError):  # what clients before 0.29 do not ask the server, they do not wait for
        from wandb.sdk.lib import identity

        identity._RESOLVE_TIMEOUT_SECONDS = LOGIN_SECONDS
    speed_up()


def open_run(arguments: Mapping[str, Any], settings: Any, overrides: Mapping[str, Any]) -> wandb.Run:
    """Open a run beside all others: the only call of `wandb.init` in this project.

    Args:
        arguments: `wandb.init`'s own arguments.
        settings: The user's `wandb.Settings` or dictionary of settings, which stays as it is; or None.
        overrides: Settings that the caller decides, such as the key or a timeout; None does not count. Those that
            the installed client does not know are left out.

    Returns:
        The open run. It is not yet what `wandb.log` means: see `names_of`.
    """
    import wandb
    from wandb.sdk.wandb_init import init

    own = _copy(settings)
    if "x_transaction_log_flush_interval" not in own.model_fields_set:
        overrides = {"x_transaction_log_flush_interval": FLUSH_SECONDS, **overrides}
    for name, value in overrides.items():
        if value is not None and name in type(own).model_fields:
            setattr(own, name, value)
    with session_credentials_kept(is_keyed=own.api_key is not None):
        run = init(**{**arguments, "reinit": "create_new", "settings": own})
    follow_context(wandb)
    note_service()
    return run


def is_finished(run: wandb.Run) -> bool:
    """Whether somebody finished the run already."""
    return bool(run._is_finished)


def timed_out(run: wandb.Run) -> bool:
    """Whether a run was finished before everything had reached the server."""
    return bool(getattr(run, "_finish_timed_out", False))


def loss_of(run: wandb.Run) -> str:
    """What the service failed to write or to send of a run that is finished; empty where it did not fail.

    It says so only in its own log, and goes on as if nothing had happened.
    """
    if not Path(run.settings.sync_file).exists():
        return f"{run.settings.sync_file} was removed"
    log = Path(run.settings.log_internal)
    logged = log.read_bytes() if log.exists() else b""
    for complaint, meaning in _COMPLAINTS.items():
        if complaint in logged:
            return f"{meaning} (see {log})"
    import shutil

    if shutil.disk_usage(folder_of(run)).free < LEAST_FREE:
        return f"the disk of {folder_of(run)} is full"
    return ""


def folder_of(run: wandb.Run) -> str:
    """The folder that holds the run's files and its transaction log; what `wandb sync` takes."""
    return str(run.settings.sync_dir)


def _copy(settings: Any) -> wandb.Settings:
    """A copy of the user's settings: `wandb.init` writes into the object that it is given."""
    import wandb

    if isinstance(settings, wandb.Settings):
        return settings.model_copy()
    return wandb.Settings(**(settings or {}))
