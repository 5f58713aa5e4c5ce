"""A Metaflow card that shows a task's run, also where the step failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._metaflow_internals import save_card

if TYPE_CHECKING:
    from ._identity import Task


def draw(task: Task, folder: Path, card: bool | None) -> None:
    """Draw a closed run as the task's card, of type `wandb_track`.

    Args:
        task: The attempt.
        folder: The run's folder.
        card: Whether it gets one; None: where the step has no card of the user's.
    """
    step: Any = getattr(task.flow, task.step)
    if all(each.name != "card" for each in step.decorators) if card is None else card:
        save_card(task, "wandb_track", _render(folder))


def _render(folder: Path) -> str:
    from wandb_track_core.offline import render_run

    return f"<!doctype html><meta charset='utf-8'><title>W&amp;B run</title>{render_run(folder)}"
