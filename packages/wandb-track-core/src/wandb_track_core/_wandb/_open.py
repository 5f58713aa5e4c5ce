"""The one place that opens a run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core._notify import is_stderr_read

from ._module import client_function, follow_context
from ._session_key import session_key_kept

if TYPE_CHECKING:
    import wandb

FLUSH_SECONDS = 0.5
"""How often the client writes its transaction log: what a kill can lose. Its own default is 15."""
LEAST_FREE = 64 * 1024
"""Bytes that a disk has free as long as the service can still write to it."""

_COMPLAINTS = {
    b"failed to save record": "not everything could be written to disk",
    b"filestream: fatal error": "the server refused a part of what was sent",
    b"filestream: json decode error": "the server answered something that is not of W&B",
}


def open_run(
    arguments: Mapping[str, Any], settings: Any, overrides: Mapping[str, Any], *, keeps_session_key: bool = True
) -> wandb.Run:
    """Open a run beside all others: the only call of `wandb.init` in this project.

    Args:
        arguments: `wandb.init`'s own arguments.
        settings: The user's `wandb.Settings` or dictionary of settings, which stays as it is; or None.
        overrides: Settings that the caller decides, such as the key or a timeout; None does not count. Those that
            the installed client does not know are left out.
        keeps_session_key: Whether a key in the overrides is the run's alone, rather than the session's.

    Returns:
        The open run. It is not yet what `wandb.log` means: see `Frame`.
    """
    import wandb

    if not is_stderr_read():
        wandb.setup()
        mute_client()
    own = copy_of(settings)
    defaults = {"x_transaction_log_flush_interval": FLUSH_SECONDS}
    defaults = {name: value for name, value in defaults.items() if name not in own.model_fields_set}
    for name, value in {**defaults, **overrides}.items():
        if value is not None and name in type(own).model_fields:
            setattr(own, name, value)
    follow_context(wandb)
    with session_key_kept(is_keyed=own.api_key is not None) if keeps_session_key else nullcontext():
        run: wandb.Run = client_function("init")(**{**arguments, "reinit": "create_new", "settings": own})
    return run


def mute_client() -> None:
    """Let the client print nothing more: where standard error has lost its reader, each of its lines would raise."""
    import wandb

    wandb.termsetup(wandb.Settings(silent=True), None)


def loss_of(run: wandb.Run) -> str:
    """What the service failed to write or to send of a run that is finished; empty where it did not fail.

    It reports so only in its own log, and goes on as if nothing had happened.
    """
    settings = run.settings
    if not Path(settings.sync_file).exists():
        return f"{settings.sync_file} was removed"
    log = Path(settings.log_internal)
    logged = log.read_bytes() if log.exists() else b""
    for complaint, meaning in _COMPLAINTS.items():
        if complaint in logged:
            return f"{meaning} (see {log})"
    import shutil

    if shutil.disk_usage(settings.sync_dir).free < LEAST_FREE:
        return f"the disk of {settings.sync_dir} is full"
    return ""


def folder_of(run: wandb.Run) -> str:
    """The folder that holds the run's files and its transaction log; what `wandb sync` takes."""
    return str(run.settings.sync_dir)


def copy_of(settings: Any) -> wandb.Settings:
    """A copy of the user's settings: `wandb.init` writes into the object that it is given."""
    import wandb

    if isinstance(settings, wandb.Settings):
        return settings.model_copy()
    return wandb.Settings(**(settings or {}))
