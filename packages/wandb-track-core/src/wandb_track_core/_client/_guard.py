"""Faults of the tracker stay out of the user's code, and are not passed over either."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wandb_track_core._bounded import bounded

from ._open import folder_of
from ._service import is_service_fault
from ._silence import Silence, fall_silent
from ._successor import succeed, take_over

if TYPE_CHECKING:
    import wandb

POLL_SECONDS = 0.2
"""How often to look whether an upload has ended."""
SUCCESSION_SECONDS = 14.0
"""How long it may take until a run goes on with another service. It takes a fraction of a second."""
MOST_SERVICES = 5
"""With how many further services a run goes on, at most: something is wrong with a machine where they all die."""
ANSWER_SECONDS = 2.0
"""How long the service may take to say what it is doing. It takes milliseconds."""


class Guard:
    """Lets what the user calls on a run go on, where the service behind it does not.

    All that a run says (history, config, summary, artifacts, alerts) goes through two functions of its interface.
    What they raise is never the user's mistake: values were checked and encoded before. Where the service died, the
    run goes on offline with another one, and says there what it could not say here; else it is silent from then on.

    Args:
        run: An open run.
        on_fault: Told of each fault.
        goes_on: Whether another service is to be started.

    Attributes:
        left: The folders in which parts of the run lie beside its present one, the earliest first.
        is_silent: Whether nothing is kept any more of what the run says.
    """

    def __init__(self, run: Any, on_fault: Callable[[Exception], None], goes_on: bool) -> None:
        self.left: list[str] = []
        self.is_silent = False
        self._run = run
        self._on_fault = on_fault
        self._goes_on = goes_on
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._services = 0
        self._metrics: list[Any] = []
        self._summary: dict[tuple[str, ...], Any] = {}
        self._logged: list[tuple[Any, Callable[[], Any]]] = []
        interface = run._interface
        self._send, self._ask, self._log = interface._publish, interface._deliver, run._log_artifact
        interface._publish, interface._deliver, run._log_artifact = self._publish, self._deliver, self._log_artifact

    @property
    def uploads(self) -> list[wandb.Artifact]:
        """The artifacts that the run has logged, by whomever: each knows how its upload went."""
        return [artifact for artifact, _ in self._logged]

    def _publish(self, record: Any, *, nowait: bool = False) -> None:
        if record.HasField("metric"):
            self._metrics.append(record)
        elif record.HasField("summary"):
            self._summary.update({(item.key, *item.nested_key): item for item in record.summary.update})
        try:
            self._attempt(lambda: self._send(record, nowait=nowait))
            if record.HasField("artifact"):
                from wandb_track_core.offline._pack import adopt

                # Of an offline run; the client keeps the files at a place of this machine alone.
                adopt(folder_of(self._run), record.artifact.SerializeToString())
        except Exception as fault:
            self._on_fault(fault)

    def _deliver(self, record: Any) -> Any:
        try:
            handle = self._attempt(lambda: self._ask(record))
        except Exception as fault:
            self._on_fault(fault)
            handle = None
        return handle or Silence(self._run, record)

    def _log_artifact(self, artifact: Any, name: Any = None, type: Any = None, *args: Any, **options: Any) -> Any:
        services, is_asked, logged = self._services, not self._run._settings._offline, None
        if self.is_silent:
            return self._run._prepare_artifact(artifact, name, type)[0]
        try:
            logged = self._log(artifact, name, type, *args, **options)
        except Exception as fault:
            if not is_service_fault(fault):
                raise
            self._deliver(_question())
            if services == self._services:
                raise
        # What an online run asks of its service, that of an offline one leaves undone: it is told otherwise.
        if logged is None or (is_asked and services < self._services):
            return self._log_artifact(logged or artifact, name, type, *args, **options)
        self._logged.append((logged, partial(self._log, logged, name, type, *args, **options)))
        return logged

    def _attempt(self, call: Callable[[], Any]) -> Any:
        """What a call returns, with the next service where the present one is gone; None in silence."""
        while not self.is_silent:
            client = self._run._interface._client
            try:
                return call()
            except Exception as fault:
                if not is_service_fault(fault) or os.getpid() != self._process:
                    raise
                with self._lock:
                    if self._run._interface._client is client and not self.is_silent:
                        self._replace_service(fault)
        return None

    def _replace_service(self, fault: Exception) -> None:
        reason = f"the client's service process died ({type(fault).__name__})"
        self._services += 1
        known = list(self._summary.values())
        try:
            if not self._goes_on or self._services > MOST_SERVICES:
                raise ConnectionError(reason) from fault
            successor = bounded(lambda: succeed(self._run, known), SUCCESSION_SECONDS, "starting another service")
        except Exception as failure:
            self.is_silent = True
            fall_silent(self._run, known)
            self._on_fault(failure)
            return
        self._on_fault(ConnectionError(reason))
        if successor.left.started:
            self.left.append(str(successor.left.place))
        take_over(self._run, successor)
        for metric in self._metrics:
            self._attempt(partial(self._send, metric))
        for artifact, log in self._logged:
            if not _is_uploaded(artifact):
                log()


def _is_uploaded(artifact: Any) -> bool:
    """Whether nothing is left to do for a logged artifact; an offline run wrote it down, which is all that it does."""
    handle = getattr(artifact, "_save_handle", None)
    if handle is None:
        return True
    try:
        return not handle.wait_or(timeout=0).response.log_artifact_response.error_message
    except Exception:
        return False


def settle(run: wandb.Run, uploads: Sequence[Any], seconds: float) -> list[str]:
    """Wait for a run's uploads for as long as they move.

    Args:
        run: An online run that is still open.
        uploads: The artifacts that it logged.
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
    interface: Any = run._interface
    answer = interface._deliver(_question()).wait_or(timeout=ANSWER_SECONDS)
    pending = list(answer.response.operations_response.operation_stats.operations)
    steps = []
    while pending:
        operation = pending.pop()
        pending += operation.subtasks
        steps.append((operation.desc, operation.progress))
    return steps


def _question() -> Any:
    """What the service is asked that it can always answer: what it is doing."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    record = messages.Record()
    record.request.operations.SetInParent()
    return record
