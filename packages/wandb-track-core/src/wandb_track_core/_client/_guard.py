"""Faults of the tracker stay out of the user's code, and are not passed over either."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

POLL_SECONDS = 0.2


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
    seen, last_move = _progress(run), time.monotonic()
    while pending:
        artifact = pending[0]
        try:
            result = artifact._save_handle.wait_or(timeout=POLL_SECONDS)
        except TimeoutError:
            now = _progress(run)
            if now != seen:
                seen, last_move = now, time.monotonic()
            elif time.monotonic() - last_move > seconds:
                return [*failed, *(f"{each.name}: its upload did not come to an end" for each in pending)]
            continue
        pending.pop(0)
        last_move = time.monotonic()
        message = result.response.log_artifact_response.error_message
        if message:
            failed.append(f"{artifact.name}: {' '.join(message.split())}")
    return failed


def _progress(run: wandb.Run) -> Any:
    """Something that changes as long as the service gets on with a run's uploads."""
    handle = run._interface.deliver_poll_exit()  # type: ignore[union-attr]
    stats = handle.wait_or(timeout=1.0).response.poll_exit_response.pusher_stats
    return stats.uploaded_bytes, stats.total_bytes, stats.deduped_bytes
