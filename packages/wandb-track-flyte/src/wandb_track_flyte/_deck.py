"""The tab of a task's Deck that shows its run. It is drawn once the run is closed, before flytekit writes the Deck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flytekit import Deck
from flytekit.core.context_manager import ExecutionState, FlyteContextManager
from wandb_track_core import TrackedRun
from wandb_track_core.adapters import fuse, notify, run_folder

TAB = "W&B"


class Tab:
    """The tab of one attempt, where its task has a Deck.

    Args:
        tracked: The attempt's run, which is open.
    """

    def __init__(self, tracked: TrackedRun) -> None:
        parameters = FlyteContextManager.current_context().user_space_params
        self._is_wanted = tracked.is_tracked and getattr(parameters, "enable_deck", False)
        self._tracked, self._run = tracked, tracked.run
        # A task that is called in the body of this one gives the parameters another list.
        self._decks: list[Deck] = parameters.decks if parameters is not None else []
        self._write: Callable[[], None] | None = None

    def draw(self) -> None:
        """Add the tab to the Deck, once the run is closed."""
        if not self._is_wanted or self._run is None:
            return
        with fuse("drawing the Deck"):
            from wandb_track_core.offline import render_run

            links = {} if self._run.offline else {"Open in W&B": self._run.url or ""}
            drawn = render_run(run_folder(self._run), links=links, is_closed=True, stored=self._tracked.stored)
            self._decks.append(Deck(TAB, drawn, auto_add_to_deck=False))
        if self._write is not None:
            self._write()

    def held_back(self, name: str, inputs: Any, outputs: Any, context: Any, parameters: Any) -> tuple[Any, ...]:
        """What flytekit makes its own tabs of. Locally it would write the Deck then, while the run is open: it waits.

        Args:
            name: The task's name.
            inputs: The task's, as all that follow: what flytekit gives to `_write_decks`.
            outputs: See `inputs`.
            context: See `inputs`.
            parameters: See `inputs`.
        """
        state = context.execution_state
        if self._is_wanted and state.is_local_execution():
            from flytekit.deck.deck import _output_deck

            self._decks = parameters.decks
            self._write = partial(_output_deck, name.rpartition(".")[2], parameters)
            elsewhere = state.with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
            context = context.with_execution_state(elsewhere).build()
        return inputs, outputs, context, parameters


def enable(task: Any) -> None:
    """Enable a task's Deck, with no other tab than ours."""
    task._disable_deck = False
    if not task.enable_deck:
        notify("deck=True has no effect with this version of flytekit: use @task(enable_deck=True)")
