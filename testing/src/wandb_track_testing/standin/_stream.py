"""The file stream: a run's history, summary, console lines and end, as messages with offsets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from ._model import Run, _now

_T = TypeVar("_T")


def receive(run: Run, message: dict[str, Any]) -> None:
    """Take one message into the run.

    A chunk replaces what the run had from the chunk's offset on. So a chunk that is sent again changes nothing,
    and a client that opens an id anew without resuming writes over what was there.
    """
    run.heartbeat = _now()
    for name, chunk in (message.get("files") or {}).items():
        offset, content = chunk.get("offset", 0), chunk["content"]
        if name == "wandb-history.jsonl":
            _place(run.history, offset, content, json.loads)
        elif name == "wandb-events.jsonl":
            _place(run.events, offset, content, json.loads)
        elif name == "wandb-summary.json":
            run.summary = json.loads(content[-1])
        elif name == "output.log":
            _place(run.output, offset, content, str)
    if message.get("preempting"):
        run.preempting = True
    if message.get("complete") or message.get("exitcode") is not None:
        run.exit_code = message.get("exitcode") or 0


def _place(rows: list[_T], offset: int, content: list[str], read: Callable[[str], _T]) -> None:
    rows[offset:] = [read(line) for line in content]
