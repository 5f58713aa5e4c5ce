"""Waiting for a run's uploads for as long as they move, which the client's own timeout does not look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from ._private import find

POLL_SECONDS = 0.2
"""How often to look whether an upload has ended."""
ANSWER_SECONDS = 2.0
"""How long the service may take to answer what it is doing. It takes milliseconds."""


def wait_for_uploads(run: Any, artifacts: Sequence[Any], seconds: float) -> list[str]:
    """Wait for a run's uploads for as long as they move.

    Args:
        run: An online run that is still open.
        artifacts: What it logged.
        seconds: How long to wait without any sign of progress.

    Returns:
        A line for each artifact whose upload failed, or has not ended.
    """
    failed: list[str] = []
    ended = 0

    # A wait that runs into a timeout of its own cancels the upload, so it has none, and is watched from outside.
    def wait_for_all() -> None:
        nonlocal ended
        for artifact in artifacts:
            try:
                artifact.wait()
            except Exception as error:
                failed.append(f"{artifact.name}: {' '.join(str(error).split()) or type(error).__name__}")
            ended += 1

    waiting = threading.Thread(target=wait_for_all, name="wandb-track: waiting for uploads", daemon=True)
    waiting.start()
    seen, last_move = None, time.monotonic()
    while waiting.is_alive():
        waiting.join(POLL_SECONDS)
        now = ended, _progress(run)
        if now != seen:
            seen, last_move = now, time.monotonic()
        elif time.monotonic() - last_move > seconds:
            return failed + [f"{artifact.name}: its upload has not ended" for artifact in artifacts[ended:]]
    return failed


def _progress(run: Any) -> Any:
    """Something that changes as long as the service gets on with a run's uploads."""
    interface = find("Run:_interface", run)
    if interface is None:
        return None
    try:
        from wandb.proto import wandb_internal_pb2

        messages: Any = wandb_internal_pb2
        record = messages.Record()
        record.request.operations.SetInParent()
        answer = interface._deliver(record).wait_or(timeout=ANSWER_SECONDS)
        pending = list(answer.response.operations_response.operation_stats.operations)
    except Exception:
        return None
    steps = []
    while pending:
        operation = pending.pop()
        pending += operation.subtasks
        steps.append((operation.desc, operation.progress))
    return steps
