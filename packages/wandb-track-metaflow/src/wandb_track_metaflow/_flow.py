"""`wandb_log` above a flow: every step that has none of its own gets one."""

from __future__ import annotations

from typing import Any

from metaflow.user_decorators.user_flow_decorator import FlowMutator

from ._metaflow_internals import is_inserted


class WandbLogFlow(FlowMutator):
    """Adds the step decorator to a flow's steps, before the command line's `--with` does."""

    def init(self, **given: Any) -> None:
        """Take the arguments of `wandb_log` that were given."""
        self._given = given

    def pre_mutate(self, mutable_flow: Any) -> None:
        """Decorate the steps; a step's own decorator stays, and a derived flow's wins over its base's."""
        for _, step in mutable_flow.steps:
            duplicates = step.OVERRIDE if is_inserted(step, "wandb_log") else step.IGNORE
            step.add_decorator("wandb_log", deco_kwargs=self._given, duplicates=duplicates)
