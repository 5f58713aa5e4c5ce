"""Faults of the tracker stay out of the user's code, and are not passed over either."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

POLL_SECONDS = 0.2
"""How often to look whether an upload has ended."""
ANSWER_SECONDS = 2.0
"""How long the service may take to say what it is doing. It takes milliseconds."""


class Uploads(list[Any]):
    """The artifacts that a run has logged, by whomever: each knows how its upload went."""


def guard(run: wandb.Run, on_fault: Callable[[Exception], None]) -> Uploads:
    """Let what the user calls on a run go on, where the service behind it does not.

    All that a run says (history, config, summary, artifacts, alerts) goes through one function of its interface.
    What it raises there is never the user's mistake: values were checked and encoded before.

    Args:
        run: An open run.
        on_fault: Told of each fault. What was to be said is lost from then on, and kept nowhere.

    Returns:
        A list that the artifacts that are logged from now on are added to.
    """
    uploads = Uploads()
    interface: Any = run._interface
    publish, log_artifact = interface._publish, run._log_artifact

    def publish_or_tell(*args: Any, **kwargs: Any) -> None:
        try:
            publish(*args, **kwargs)
        except Exception as fault:
            on_fault(fault)

    def log_artifact_and_remember(*args: Any, **kwargs: Any) -> Any:
        artifact = log_artifact(*args, **kwargs)
        uploads.append(artifact)
        return artifact

    interface._publish = publish_or_tell
    run._log_artifact = log_artifact_and_remember  # type: ignore[method-assign]
    return uploads


def settle(run: wandb.Run, uploads: Uploads, seconds: float) -> list[str]:
    """Wait for a run's uploads for as long as they move.

    Args:
        run: An online run that is still open.
        uploads: What `guard` gave.
        seconds: How long to wait without any sign of progress.

    Returns:
        A line for each artifact whose upload failed, or had not come to an end.
    """
    pending = [artifact for artifact in uploads if getattr(artifact, "_save_handle", None) is not None]
    failed: list[str] = []
    settled = 0

    # A wait that runs into a timeout of its own cancels the upload, so it has none, and is watched from outside.
    def wait_for_all() -> None:
        nonlocal settled
        for artifact in pending:
            try:
                answer = artifact._save_handle.wait_or(timeout=None)
                message = answer.response.log_artifact_response.error_message
            except Exception as error:
                message = str(error) or type(error).__name__
            if message:
                failed.append(f"{artifact.name}: {' '.join(message.split())}")
            settled += 1

    waiting = threading.Thread(target=wait_for_all, name="wandb-track: waiting for uploads", daemon=True)
    waiting.start()
    seen, last_move = None, time.monotonic()
    while waiting.is_alive():
        waiting.join(POLL_SECONDS)
        now = settled, _progress(run)
        if now != seen:
            seen, last_move = now, time.monotonic()
        elif time.monotonic() - last_move > seconds:
            stuck = [f"{artifact.name}: its upload did not come to an end" for artifact in pending[settled:]]
            return failed + stuck
    return failed


def _progress(run: wandb.Run) -> Any:
    """Something that changes as long as the service gets on with a run's uploads."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    record = messages.Record()
    record.request.operations.SetInParent()
    interface: Any = run._interface
    answer = interface._deliver(record).wait_or(timeout=ANSWER_SECONDS)
    pending = list(answer.response.operations_response.operation_stats.operations)
    steps = []
    while pending:
        operation = pending.pop()
        pending += operation.subtasks
        steps.append((operation.desc, operation.progress))
    return steps
