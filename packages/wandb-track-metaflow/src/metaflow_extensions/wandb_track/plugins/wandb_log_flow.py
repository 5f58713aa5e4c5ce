"""`wandb_log` above a flow: every step that has none of its own gets one.

Metaflow packs a mutator's package for remote tasks by asking all installed distributions whose it is, at each `run`,
local ones too: more than tracking a small step takes. It does not ask for what is an extension's, as this module is;
the decorator of the steps names our packages itself.
"""

from __future__ import annotations

from typing import Any

from metaflow.user_decorators.user_flow_decorator import FlowMutator


class WandbLogFlow(FlowMutator):
    """Adds the step decorator to a flow's steps, before the command line's `--with` does."""

    def init(self, **given: Any) -> None:
        """Take the arguments of `wandb_log` that were given."""
        self._given = given

    def pre_mutate(self, mutable_flow: Any) -> None:
        """Decorate the steps; a step's own decorator stays, and a derived flow's wins over its base's."""
        from wandb_track_metaflow._metaflow_internals import is_inserted

        for _, step in mutable_flow.steps:
            duplicates = step.OVERRIDE if is_inserted(step, "wandb_log") else step.IGNORE
            step.add_decorator("wandb_log", deco_kwargs=self._given, duplicates=duplicates)
