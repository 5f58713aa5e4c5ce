"""A run whose service is gone for good: it takes everything, answers at once, and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ._service import forget
from ._successor import read_folder_of, steps_counted


class Silence:
    """The answer of a service that is gone, in the place of one of the client's handles: an empty one, at once.

    Args:
        run: The run.
        record: What the service was to be asked.
        change: What is made of the answer.
    """

    def __init__(self, run: Any, record: Any, change: Callable[[Any], Any] = lambda answer: answer) -> None:
        self.asyncer = run._interface._asyncer
        self._run = run
        self._record = record
        self._change = change

    def map(self, change: Callable[[Any], Any]) -> Silence:
        """A handle whose answer is made of this one's."""
        return Silence(self._run, self._record, lambda answer: change(self._change(answer)))

    def wait_or(self, *, timeout: float | None) -> Any:
        """The answer."""
        from wandb.proto import wandb_internal_pb2

        messages: Any = wandb_internal_pb2
        answer = messages.Result()
        if self._record.request.WhichOneof("request_type") == "history_step":
            answer.response.history_step_response.step = steps_counted(self._run)
        return self._change(answer)

    async def wait_async(self, *, timeout: float | None) -> Any:
        """The answer."""
        return self.wait_or(timeout=timeout)

    def cancel(self) -> None:
        """There is nothing to cancel."""


def fall_silent(run: Any, summary: Iterable[Any]) -> None:
    """Let a run do without its service: what the summary holds, and is given, can still be read.

    Args:
        run: The run.
        summary: Items that the user has set, which are maybe not on the disk.
    """
    forget(run._interface._client)
    run._cached_public_api = None
    kept = {item.key: json.loads(item.value_json) for item in summary if item.key} | read_folder_of(run).summary
    object.__setattr__(run.summary, "_get_current_summary_callback", lambda: kept)
    run.summary._set_update_callback(lambda record: kept.update({item.key[0]: item.value for item in record.update}))
