"""What the user should hear of a step's tracking: gathered while it goes on, said once."""

from __future__ import annotations

_NAMED = 5
"""Variables that one line names; of more, it says how many."""


class Remarks:
    """Gathers lines, and the variables that were left out, by the reason."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left_out: dict[str, list[str]] = {}

    def add(self, line: str) -> None:
        """Note something that stands for itself."""
        self._lines.append(line)

    def left_out(self, name: str, reason: str) -> None:
        """Note that a variable is not shown to W&B."""
        self._left_out.setdefault(reason, []).append(name)

    def lines(self) -> list[str]:
        """One line for each remark, and for each reason."""
        left_out = [f"not logged: {_listed(names)}: {reason}" for reason, names in self._left_out.items()]
        return [" ".join(line.split()) for line in (*self._lines, *left_out)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
