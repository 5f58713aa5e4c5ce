"""The file stream: a run's history, summary, console lines and end, as messages with offsets."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ._model import Run, now

_T = TypeVar("_T")
_parsed = partial(json.loads, parse_constant=str)
"""What a line says. The clients write NaN, which JSON does not have; the servers give it back as a str."""


def receive(run: Run, message: dict[str, Any], writer: str | None = None) -> None:
    """Take one message into the run.

    A chunk replaces what the run had from the chunk's offset on. So a chunk that is sent again changes nothing,
    and a client that opens an id anew without resuming writes over what was there.

    Args:
        run: Changed in place.
        message: As the client sent it.
        writer: In shared mode the client's id: several clients then write one run, and each counts only its own
            lines. What they send is put one after the other, rows without a step get one, and summaries are merged.
    """
    run.heartbeat = now()
    for name, chunk in (message.get("files") or {}).items():
        offset, content = chunk.get("offset", 0), chunk["content"]
        if writer is not None:
            offset, content = _next_lines(run, writer, name, offset, content)
        if name == "wandb-history.jsonl":
            _place(run.history, offset, content, _parsed)
            if writer is not None:
                for number, row in enumerate(run.history):
                    row.setdefault("_step", number)
        elif name == "wandb-events.jsonl":
            _place(run.events, offset, content, _parsed)
        elif name == "wandb-summary.json" and content:
            latest = _parsed(content[-1])
            run.summary = latest if writer is None else run.summary | latest
        elif name == "output.log":
            _place(run.output, offset, content, str)
    if message.get("preempting"):
        run.preempting = True
    if message.get("complete") or message.get("exitcode") is not None:
        run.exit_code = message.get("exitcode") or 0


def _next_lines(run: Run, writer: str, name: str, offset: int, content: list[str]) -> tuple[int, list[str]]:
    """The lines that the run does not have yet, and the offset that puts them at the end."""
    if name == "wandb-summary.json":
        return 0, content
    known = run.written.get((writer, name), 0)
    run.written[writer, name] = max(known, offset + len(content))
    rows = {"wandb-history.jsonl": run.history, "wandb-events.jsonl": run.events}.get(name, run.output)
    return len(rows), content[max(known - offset, 0) :]


def _place(rows: list[_T], offset: int, content: list[str], read: Callable[[str], _T]) -> None:
    rows[offset:] = [read(line) for line in content]
