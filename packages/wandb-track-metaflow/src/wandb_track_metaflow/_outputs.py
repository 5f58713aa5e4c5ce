"""What a step set: base types for the run's summary, everything else for artifacts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

    from ._arguments import Arguments
    from ._remarks import Remarks

MAX_ARTIFACTS = 1_000
"""Artifacts that are made of one step's variables."""
MAX_SUMMARY_VALUES = 10_000
"""Variables of one step that are put into the summary."""
MAX_SUMMARY_SIZE = 8 << 20
"""Bytes of all of them together, as JSON."""
MAX_VALUE_SIZE = 256 << 10
"""Bytes of one of them."""


def key_alias(key: str) -> str:
    """The alias of an artifact's version that holds what Metaflow stores under a content key."""
    return f"sha-{key}"


class Outputs:
    """The variables that a step set, held from the step's end until Metaflow has stored them."""

    def __init__(self, flow: Any, arguments: Arguments) -> None:
        self._arguments = arguments
        self._before = dict(vars(flow))
        self._values: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}

    def begin(self, run: wandb.Run) -> None:
        """Take note of what an earlier attempt has left in a run that is continued."""
        if run.resumed:
            self._summary = dict(run.summary)

    def take(self, variables: Mapping[str, Any], unset: set[str]) -> None:
        """Take hold of what the step set, without copying it: Metaflow is about to delete it from the flow.

        Args:
            variables: All that the flow object holds.
            unset: What the step only read.
        """
        self._values = {
            name: value
            for name, value in variables.items()
            if not name.startswith("_")
            and name not in unset
            and self._before.get(name) is not value
            and self._arguments.lets_through(name)
        }

    def log(
        self, run: wandb.Run, keys: Mapping[str, str], known: Iterable[Mapping[str, str]], remarks: Remarks
    ) -> list[dict[str, str]]:
        """Put everything where it belongs.

        Args:
            run: The step's run.
            keys: The content key of each variable that Metaflow has stored.
            known: Content keys that the step's inputs came with, or are stored again under: what has the same name
                and key is no new version.
            remarks: Takes what was left out.

        Returns:
            Variable, name, type and alias of each artifact that was logged.
        """
        from wandb_track_serializers import kind_of, log_value

        kinds = {name: kind_of(value) for name, value in self._values.items()}
        self._summarise(run, [name for name, kind in kinds.items() if kind == "summary"], remarks)
        names = [name for name, kind in kinds.items() if kind != "summary" and self._arguments.wants(kind)]
        names = [name for name in names if not any(name in keys and one.get(name) == keys[name] for one in known)]
        for name in names[MAX_ARTIFACTS:]:
            remarks.left_out(name, f"at most {MAX_ARTIFACTS:,} artifacts of a step are logged")
        logged = []
        for name in names[:MAX_ARTIFACTS]:
            aliases = [key_alias(keys[name])] if name in keys else []
            try:
                artifact = log_value(run, name, self._values[name], aliases, max_size=self._arguments.max_size)
            except Exception as error:
                remarks.left_out(name, str(error) or type(error).__name__)
            else:
                if artifact is not None:
                    alias = (aliases or ["latest"])[0]
                    logged.append({"variable": name, "name": artifact.name, "type": artifact.type, "alias": alias})
        return logged

    def _summarise(self, run: wandb.Run, names: list[str], remarks: Remarks) -> None:
        there = dict(run.summary) if names else {}
        taken = {name for name in there if self._summary.get(name) != there[name]}
        summary: dict[str, Any] = {}
        left = MAX_SUMMARY_SIZE
        for name in names:
            if name in taken:
                remarks.left_out(name, "the step's own code has logged something else under this name")
            elif left <= 0 or len(summary) == MAX_SUMMARY_VALUES:
                remarks.left_out(
                    name, f"a summary takes {MAX_SUMMARY_VALUES:,} variables, of {MAX_SUMMARY_SIZE:,} bytes together"
                )
            else:
                summary[name] = shown(self._values[name], self._arguments.max_size)
                left -= len(json.dumps(summary[name]))
        run.summary.update(summary)


def shown(value: Any, max_size: int | None) -> Any:
    """A value as config and summary take it, bounded: where something was left out of it, it says so itself."""
    from wandb_track_serializers import to_summary

    return to_summary(value) if max_size is None else to_summary(value, max_size=min(max_size, MAX_VALUE_SIZE))
