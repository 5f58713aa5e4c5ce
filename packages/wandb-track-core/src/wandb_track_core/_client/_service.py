"""The client's service process: what its errors mean, and how to go on when it is gone."""

from __future__ import annotations

import os

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


def release(run_id: str) -> None:
    """Let go of a run that failed to open: until then the service says that its id is in use."""
    from wandb.sdk import wandb_setup

    service = wandb_setup.singleton().ensure_service()
    _, interface = service.inform_attach(attach_id=run_id)
    interface.deliver_exit(1).wait_or(timeout=None)
    service.inform_finish(run_id=run_id)


def renew_service() -> None:
    """Forget a service process that died or hangs, so that the next run starts another one.

    A process of ours is killed: it would keep this one from ending. One that was inherited through the variable
    WANDB_SERVICE is somebody else's, and only left alone.
    """
    from wandb.sdk import wandb_setup

    client = wandb_setup.singleton()
    connection, client._connection = client._connection, None
    os.environ.pop("WANDB_SERVICE", None)
    if connection is None or connection._proc is None:
        return
    if connection._cleanup is not None:
        connection._cleanup()
    connection._proc._process.kill()
    connection._proc._process.wait()
