"""A run whose service process died goes on with another one: offline, in a folder of its own, as the same object."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._service import forget, is_service_fault

if TYPE_CHECKING:
    import wandb

    from wandb_track_core.offline import _fragments as offline

ANSWER_SECONDS = 10.0
"""How long the new service may take to accept a run. It takes milliseconds."""
WHOLE_UP_TO = 1 << 25
"""Bytes of a log that is read from end to end; that takes a second. Of a longer one, the ends are read."""


class Successor(NamedTuple):
    """A run as another service knows it: the interface, the run's settings there, and what the first one left."""

    interface: Any
    settings: wandb.Settings
    left: offline.Fragment


def succeed(run: Any, summary: Iterable[Any]) -> Successor:
    """Declare a run to another service process, as it stands: config, summary, and the step that comes next.

    On the disk this is one more fragment of the run, as a resumed attempt would leave it, but its steps go on.

    Args:
        run: The run, which is as it was.
        summary: Items that the user has set, which are maybe not yet on the disk.

    Returns:
        What `take_over` wants.
    """
    from wandb.sdk import wandb_setup

    left = read_folder_of(run)
    dead = [run._interface._client]
    while True:
        forget(dead[-1])
        settings = _claim_folder(run)
        service = wandb_setup.singleton().ensure_service()
        try:
            interface = service.inform_init(settings=settings.to_proto(), run_id=run._settings.run_id)
            _declare(interface, run, left, summary)
            break
        except Exception as fault:
            # With a service that another run had gone on with, and that died, too, it is tried once more.
            if len(dead) > 1 or not is_service_fault(fault):
                raise
            dead.append(service._client)
    return Successor(interface, settings, left)


def take_over(run: Any, successor: Successor) -> None:
    """Let a run speak to the other service from now on: it is offline, and its folder is a new one."""
    run._settings.x_start_time, run._settings.mode = successor.settings.x_start_time, successor.settings.mode
    run._interface._client = successor.interface._client


def _claim_folder(run: Any) -> wandb.Settings:
    """The settings of an offline run in a folder that nobody has; the client names folders by the second."""
    settings: wandb.Settings = run._settings.model_copy()
    settings.mode = "offline"
    settings.x_start_time = time.time()
    while True:
        try:
            Path(settings.sync_dir).mkdir(parents=True)
            break
        except FileExistsError:
            settings.x_start_time += 1
    for folder in (settings.files_dir, settings.log_dir):
        Path(folder).mkdir(exist_ok=True)
    return settings


def _declare(interface: Any, run: Any, left: offline.Fragment, known: Iterable[Any]) -> None:
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    record = interface._make_run(run)
    # The client writes where a run belongs as the user gave it, and learns the rest from the server.
    if left.started:
        record.entity, record.project = left.entity, left.project
    record.starting_step = max(steps_counted(run), int(left.summary.get("_step", -1)) + 1)
    record.start_time.GetCurrentTime()
    record.ClearField("branch_point")
    if "resume" in record.DESCRIPTOR.fields_by_name:  # since 0.30
        record.resume = True
    interface.publish_header()
    answer = interface._deliver_run(record).wait_or(timeout=ANSWER_SECONDS)
    if answer.run_result.HasField("error"):
        raise RuntimeError(answer.run_result.error.message)
    interface._deliver_run_start(messages.RunStartRequest(run=record)).wait_or(timeout=ANSWER_SECONDS)
    # The service begins to count its steps with the first row, even one of which nothing is there yet.
    interface._publish_partial_history(messages.PartialHistoryRequest(action=messages.HistoryAction(flush=False)))
    summary = messages.SummaryRecord(update=known)
    for key, value in left.metrics.items():
        summary.update.add(key=key, value_json=json.dumps(value))
    interface._publish_summary(summary)


def read_folder_of(run: Any) -> offline.Fragment:
    """What the service of a run has left on the disk."""
    from wandb_track_core.offline import _fragments as offline

    log = Path(run._settings.sync_file)
    try:
        return offline.read_folder(log.parent, log.name, whole=log.stat().st_size <= WHOLE_UP_TO)
    except OSError:
        return offline.Fragment(log.parent, log.name)


def steps_counted(run: Any) -> int:
    """The step that comes next, as the client counts along."""
    return int(run._local_step if hasattr(run, "_local_step") else run._step)
