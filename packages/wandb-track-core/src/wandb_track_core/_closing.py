"""Closing a run within a bound, whatever state the tracker is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _client
from ._bounded import bounded
from ._outcome import describe, exit_code_of
from ._policy import Policy

CLOSE_MARGIN = 4.0
"""Seconds beyond `finish_timeout` after which a client that has not come back is taken to hang."""
UPLOAD_SHARE = 0.4
"""Which part of `finish_timeout` an upload may stand still for, before the rest of the run is sent."""


def finish(
    run: Any, uploads: Sequence[Any], policy: Policy, error: BaseException | None, exit_code: int | None
) -> Exception | None:
    """Finish a run with the task's outcome.

    Args:
        run: A `wandb.Run` or a `QuietRun`.
        uploads: The artifacts that it logged.
        policy: How long to wait.
        error: What the task raised.
        exit_code: The exit code, where it is not the one that the error stands for.

    Returns:
        What went wrong, or None. Nothing is raised but what interrupts the process.
    """
    if run.disabled or _client.is_finished(run):
        return None
    code = exit_code_of(error) if exit_code is None else exit_code
    faults: list[str] = []
    try:
        if error is not None and code:
            run.summary["exception"] = describe(error)
        if uploads and not run.offline:
            seconds = policy.finish_timeout * UPLOAD_SHARE
            faults += _client.settle(run, uploads, seconds)
        bounded(lambda: run.finish(exit_code=code), policy.finish_timeout + CLOSE_MARGIN, "finishing the run")
        if _client.timed_out(run):
            faults.append(f"the server did not take everything within {policy.finish_timeout:g} s")
        elif loss := _client.loss_of(run):
            faults.append(loss)
    except Exception as fault:
        if _client.is_service_fault(fault):
            _client.renew_service(run)
        return fault
    return RuntimeError("; ".join(faults)) if faults else None
