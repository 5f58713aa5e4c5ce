"""A Metaflow card that shows a task's run, also where the step failed. In long steps it is refreshed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from wandb_track_core.adapters import fuse, notify_once, run_folder

from ._identity import Task
from ._metaflow_internals import card_saver

if TYPE_CHECKING:
    import wandb

EVERY = 30.0
"""Seconds between two drawings, at least."""
_PATIENCE = 5.0
"""Seconds that the last drawing may wait for one that has begun, which would replace it."""
_SHARE = 50
"""A card that takes long to draw is drawn so rarely that it takes one part in so many of the step's time."""


class Card:
    """The card of one attempt, of type `wandb_track`.

    Args:
        task: The attempt.
        run: Its open run.
        wanted: Whether it gets a card; None: where the step has none of the user's.
    """

    def __init__(self, task: Task, run: wandb.Run, wanted: bool | None) -> None:
        step: Any = getattr(task.flow, task.step)
        is_wanted = all(each.name != "card" for each in step.decorators) if wanted is None else wanted
        self._save: Any = card_saver(task, "wandb_track") if is_wanted else None
        self._run = run
        self._is_closed = Event()
        self._refreshing = Thread(target=self._refresh, name="wandb-track-card", daemon=True)
        if self._save is not None:
            self._refreshing.start()

    def finish(self, stored: Iterable[str]) -> None:
        """Draw the run once it is closed.

        Args:
            stored: Where an offline run was brought.
        """
        if self._save is not None:
            self._is_closed.set()
            self._refreshing.join(_PATIENCE)
            self._draw(is_closed=True, stored=stored)

    def _refresh(self) -> None:
        pause = EVERY
        while not self._is_closed.wait(pause):
            begun = time.monotonic()
            self._draw()
            pause = max(EVERY, _SHARE * (time.monotonic() - begun))

    def _draw(self, **options: Any) -> None:
        with fuse("drawing the card"):
            from wandb_track_core.offline import render_run

            links = {} if self._run.offline else {"Open in W&B": self._run.url or ""}
            drawn = render_run(run_folder(self._run), links=links, **options)
            head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'>"
            try:
                self._save(f"<!doctype html>{head}<title>W&amp;B run</title>{drawn}")
            except OSError as error:
                notify_once(f"cards of this flow are not saved: {error}", key="cards are not saved")
