"""The client's service process: what its errors mean, and how to go on when it is gone."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_services: set[tuple[int, int]] = set()
_forgetting = threading.Lock()
_SERVICE_MODULES = ("wandb.sdk.mailbox", "wandb.sdk.lib.service")


def is_mistake_of_the_user(error: BaseException) -> bool:
    """Whether opening failed for a reason that the user has to mend, rather than for a fault of the tracker.

    A request that the server refused (a wrong key, an entity that is not there) comes back as a `CommError` at once;
    where the server could not be reached or kept failing, the client says that it timed out.
    """
    from wandb.errors import CommError, UsageError

    if isinstance(error, CommError):
        return "timed out" not in str(error).lower()
    return isinstance(error, UsageError | TypeError | ValueError)


def name_what_was_refused(error: BaseException, arguments: Mapping[str, Any]) -> None:
    """Say in an error where a run was not let in: the client hands on the server's word alone, such as "Forbidden"."""
    from wandb.errors import CommError

    if type(error) is CommError:
        place = " of ".join(f"{name} {arguments[name]!r}" for name in ("project", "entity") if arguments.get(name))
        error.args = (
            f"{error} (said the server when it was asked for a run in {place or 'your default project'}): check project"
            " and entity, and that the account whose key is used (WANDB_API_KEY) may write there",
        )


def is_missing_login(error: BaseException) -> bool:
    """Whether opening failed because there is neither a key nor a login, and no terminal to ask for one."""
    from wandb.errors import UsageError

    return isinstance(error, UsageError) and "No API key configured" in str(error)


def is_taken(error: BaseException) -> bool:
    """Whether opening failed because of the run's id: a live run has it, or a run that was deleted had it."""
    text = str(error)
    return "is in use" in text or "previously created and deleted" in text


def is_service_fault(error: BaseException) -> bool:
    """Whether the service process, rather than the server or a disk, is what failed: it died, or does not answer."""
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith(_SERVICE_MODULES)


def note_service() -> None:
    """Note this process's service, so that nothing of it is left when this process ends.

    Where a run is shorter than the start of the client's monitor of the machine (milliseconds), the monitor is killed
    before it would remove its socket. The socket's name begins with the service's id.
    """
    from wandb.sdk import wandb_setup

    process = getattr(getattr(wandb_setup.singleton()._connection, "_proc", None), "_process", None)
    if process is not None and (os.getpid(), process.pid) not in _services:
        if not _services:
            atexit.register(_remove_sockets)
        _services.add((os.getpid(), process.pid))


def _remove_sockets() -> None:
    import tempfile

    for process, service in _services:
        if process == os.getpid():  # and not one from which this one was forked
            for socket in Path(tempfile.gettempdir()).glob(f"wandb_symon-{service}-*"):
                socket.unlink(missing_ok=True)


def release(run_id: str) -> None:
    """Let go of a run that failed to open: until then the service says that its id is in use."""
    from wandb.sdk import wandb_setup

    service = wandb_setup.singleton().ensure_service()
    _, interface = service.inform_attach(attach_id=run_id)
    interface.deliver_exit(1).wait_or(timeout=None)
    service.inform_finish(run_id=run_id)


def renew_service(run: Any = None) -> None:
    """Forget a service process that died or hangs, so that the next run starts another one.

    A process of ours is killed: it would keep this one from ending. One that was inherited through the variable
    WANDB_SERVICE is somebody else's, and only left alone.

    Args:
        run: The run that found it so: where another service has taken its place already, that one stays.
    """
    forget(None if run is None else run._interface._client)


def forget(client: Any = None) -> None:
    """Do so for the service that a client of it is connected to; None for whichever there is."""
    from wandb.sdk import wandb_setup

    setup = wandb_setup.singleton()
    with _forgetting:
        connection = setup._connection
        if client is not None and (connection is None or connection._client is not client):
            return
        setup._connection = None
        os.environ.pop("WANDB_SERVICE", None)
        if connection is None:
            return
        if hasattr(connection, "_finalizer"):  # since 0.28; its thread would print a traceback
            connection._finalizer._queue.put(None)
        if connection._proc is None:
            return
        if connection._cleanup is not None:
            connection._cleanup()
        connection._proc._process.kill()
        connection._proc._process.wait()
