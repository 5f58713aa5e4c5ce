"""The client's service process, one for all runs of a process: replaced where it died, never where it is healthy."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

from wandb_track_core._bounded import bounded

from ._module import client_function
from ._private import find

TEARDOWN_SECONDS = 2.0
"""How long the client may take to let go of a service process. One that is stopped rather than dead never answers."""
ANSWER_SECONDS = 5.0
"""How long a healthy service process may take to answer. It takes milliseconds, on a busy machine seconds."""
RELEASE_SECONDS = 2.0
"""How long the service may take to let go of a run that failed to open. It takes milliseconds."""

replacing = threading.RLock()
"""Held while the service process is being replaced, and runs move to the next one."""
open_runs: list[Any] = []
"""The runs of this process that are guarded and open."""


def session() -> Any:
    """The client's session in this process; None where its service process cannot be reached."""
    import wandb

    try:
        return wandb.setup()
    except Exception:
        return None


def is_alive(run: Any) -> bool:
    """Whether the service process of an open run answers."""
    import wandb

    try:
        bounded(lambda: wandb.Run.status(run), ANSWER_SECONDS, "asking the service process")
    except wandb.Error:
        return True
    except Exception:
        return False
    return True


def replace_service(found_in: Any = None) -> None:
    """Forget a service process that died or hangs, so that the next run starts another one.

    Args:
        found_in: The session in which it was found so. Where another one has begun in the meantime, that one stays.
            None: the present one, unless it still answers for a run.
    """
    with replacing:
        present = session()
        if found_in is None:
            if any(map(is_alive, open_runs)):
                return
        elif present not in (found_in, None):
            return
        process = None if present is None else find("Session:_connection._proc._process", present)
        if process is not None:
            process.kill()
            process.wait()
        # Without it a service that was inherited would be looked for again.
        token = os.environ.pop("WANDB_SERVICE", None)
        with suppress(Exception, SystemExit):
            bounded(client_function("teardown"), TEARDOWN_SECONDS, "leaving the service process")
        if os.environ.get("WANDB_SERVICE") == token:
            os.environ.pop("WANDB_SERVICE", None)


def release(run_id: str) -> None:
    """Let go of a run that failed to open: until then the service answers that its id is in use."""
    ensure_service = find("wandb.sdk.wandb_setup:_WandbSetup.ensure_service")
    if ensure_service is None:
        return

    def call() -> None:
        service = ensure_service(session())
        _, interface = service.inform_attach(attach_id=run_id)
        interface.deliver_exit(1).wait_or(timeout=None)
        service.inform_finish(run_id=run_id)

    with suppress(Exception):
        bounded(call, RELEASE_SECONDS, "releasing the run's id")
