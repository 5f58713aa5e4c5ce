"""Closing a run within a bound, whatever state the tracker is in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import _wandb
from ._bounded import bounded
from ._notify import is_stderr_read
from ._outcome import describe, exit_code_of
from ._policy import Policy

CLOSE_MARGIN = 4.0
"""Seconds beyond `finish_timeout` after which a client that has not come back is taken to hang."""
UPLOAD_SHARE = 0.4
"""Which part of `finish_timeout` an upload may stand still for, before the rest of the run is sent."""


def finish(guard: _wandb.Guard, policy: Policy, error: BaseException | None, exit_code: int | None) -> Exception | None:
    """Finish a run with the task's outcome.

    Args:
        guard: Stands behind the run.
        policy: How long to wait.
        error: What the task raised.
        exit_code: The exit code, where it is not the one that the error stands for.

    Returns:
        What failed, or None. It raises only KeyboardInterrupt and SystemExit.
    """
    faults: list[str] = []
    try:
        artifacts = [artifact for artifact, _ in guard.logged]
        if artifacts and not guard.own.offline and not guard.is_muted:
            faults += _wandb.wait_for_uploads(guard.own, artifacts, policy.finish_timeout * UPLOAD_SHARE)
        if finish_one(guard.own, policy, error, exit_code):
            faults.append(f"the server did not take everything within {policy.finish_timeout:g} s")
        elif not guard.is_muted and (loss := _wandb.loss_of(guard.own)):
            faults.append(loss)
    except Exception as fault:
        if _wandb.is_service_fault(fault):
            guard.leave_service()
        return fault
    finally:
        guard.close()
    return RuntimeError("; ".join(faults)) if faults else None


def finish_one(run: Any, policy: Policy, error: BaseException | None, exit_code: int | None) -> bool:
    """Finish a run with an outcome.

    Returns:
        Whether the client gave up waiting for the server.

    Raises:
        TimeoutError: The client hangs.
    """
    code = exit_code_of(error) if exit_code is None else exit_code
    if error is not None and code:
        run.summary["exception"] = describe(error)

    def call() -> bool:
        if not is_stderr_read():
            _wandb.mute_client()
        try:
            run.finish(exit_code=code)
        except TimeoutError:  # the client's own, as `finish_timeout_raises` asks
            return True
        return False

    with _in_a_folder():
        return bounded(call, policy.finish_timeout + CLOSE_MARGIN, "finishing the run")


@contextmanager
def _in_a_folder() -> Iterator[None]:
    """Leave a working folder that the task has deleted: the client asks for its path, which raises there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        deleted = os.open(".", os.O_RDONLY)
        os.chdir(tempfile.gettempdir())
        try:
            yield
        finally:
            os.fchdir(deleted)
            os.close(deleted)
    else:
        yield
