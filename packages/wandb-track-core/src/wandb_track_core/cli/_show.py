"""What `wandb-track runs`, `show` and `lineage` print."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from wandb_track_core._notify import notify
from wandb_track_core.offline import find

from ._order import Name, Unit, group
from ._plan import is_synced

_SHOWN_METRICS = 4
_TITLES = ("id", "project", "group", "state", "metrics", "artifacts", "size", "synced")
_NUMBERS = ("artifacts", "size")


def runs(paths: list[Path], *, as_json: bool) -> int:
    """Print what lies below the paths; returns the exit status."""
    units = group(find(paths, whole=False))
    if as_json:
        _print_json([_facts(unit) for unit in units])
        return 0
    rows = [_TITLES, *map(_row, units)] if units else [("no offline runs here",)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    # Not by rich, which takes longer over a thousand rows than it takes to read the runs.
    for row in rows:
        cells = zip(_TITLES, row, widths)  # noqa: B905
        line = (f"{cell:{'>' if title in _NUMBERS else '<'}{width}}" for title, cell, width in cells)
        sys.stdout.write("  ".join(line).rstrip() + "\n")
    return 0


def _row(unit: Unit) -> tuple[str, ...]:
    last = unit.fragments[-1]
    return (
        unit.id,
        "/".join(part for part in (unit.entity, unit.project) if part),
        last.group,
        last.state,
        _metrics(unit),
        str(sum(len(run.artifacts) for run in unit.fragments)),
        _bytes(sum(run.size for run in unit.fragments)),
        "yes" if is_synced(unit) else "by wandb" if _is_synced_by_client(unit) else "no",
    )


def show(name: str, paths: list[Path], *, as_json: bool) -> int:
    """Print one run, by id, folder or tar; returns the exit status."""
    is_place = Path(name).exists()
    units = group(find([name] if is_place else paths))
    found = [unit for unit in units if is_place or unit.id == name]
    if len(found) != 1:
        notify(f"{len(found) or 'no'} runs are meant by {name!r} among {len(units)}: give the folder of one")
        return 1
    if as_json:
        _print_json(_facts(found[0], whole=True))
        return 0
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in _facts(found[0], whole=True).items():
        for number, line in enumerate(_lines(value)):
            table.add_row("" if number else key.replace("_", " "), line)
    _print(table)
    return 0


def lineage(paths: list[Path], *, as_mermaid: bool) -> int:
    """Print the graph of runs and artifacts; returns the exit status."""
    graph = _Graph(group(find(paths)))
    if as_mermaid:
        sys.stdout.write(graph.mermaid())
        return 0
    _print(graph.tree() if graph.made or graph.used else "no lineage here")
    return 0


class _Graph:
    """Which run made and which used which version of an artifact; runs stand by number, versions by label."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = units
        self.made: dict[int, list[str]] = defaultdict(list)
        self.used: dict[str, list[int]] = defaultdict(list)
        versions: dict[tuple[Name, str], str] = {}
        for number, unit in enumerate(units):
            for run in unit.fragments:
                for artifact in run.artifacts:
                    own = [alias for alias in artifact.aliases if alias != "latest"] or [artifact.digest[:8]]
                    label = f"{artifact.name}:{own[0]}"
                    self.made[number].append(label)
                    for alias in (*artifact.aliases, artifact.digest):
                        versions[(unit.entity, unit.project, artifact.name), alias] = label
        for number, unit in enumerate(units):
            for name, alias in unit.used():
                self.used[versions.get((name, alias), f"{name[2]}:{alias}")].append(number)

    def tree(self) -> Any:
        """As a tree for the terminal: what is reached on several ways is spelled out on the first."""
        from rich.tree import Tree

        root = Tree("runs and artifacts", hide_root=True)
        made = {label for labels in self.made.values() for label in labels}
        seen: set[int] = set()
        consumers = {number for label in made for number in self.used.get(label, [])}
        for label in self.used.keys() - made:
            self._add_artifact(root, label, seen)
        for number in range(len(self.units)):
            if number not in consumers and (self.made.get(number) or number not in seen):
                self._add_run(root, number, seen)
        return root

    def _add_run(self, parent: Any, number: int, seen: set[int]) -> None:
        unit = self.units[number]
        is_repeated = number in seen and self.made.get(number)
        seen.add(number)
        branch = parent.add(f"{_escape(_title(unit))}{' …' if is_repeated else ''}")
        if not is_repeated:
            for label in self.made.get(number, []):
                self._add_artifact(branch, label, seen)

    def _add_artifact(self, parent: Any, label: str, seen: set[int]) -> None:
        branch = parent.add(f"[bold]{_escape(label)}[/bold]")
        for number in self.used.get(label, []):
            self._add_run(branch, number, seen)

    def mermaid(self) -> str:
        """As a Mermaid flowchart."""
        lines = ["flowchart LR"]
        labels = dict.fromkeys([label for made in self.made.values() for label in made] + list(self.used))
        names = {label: f"a{number}" for number, label in enumerate(labels)}
        lines += [f'    r{number}["{_quoted(_title(unit))}"]' for number, unit in enumerate(self.units)]
        lines += [f'    {name}(["{_quoted(label)}"])' for label, name in names.items()]
        lines += [f"    r{number} --> {names[label]}" for number, made in self.made.items() for label in made]
        lines += [f"    {names[label]} --> r{number}" for label, used in self.used.items() for number in used]
        return "\n".join(lines) + "\n"


def _facts(unit: Unit, *, whole: bool = False) -> dict[str, Any]:
    last = unit.fragments[-1]
    config = {key: value for run in unit.fragments for key, value in run.config.items() if not key.startswith("_")}
    metrics = {key: value for run in unit.fragments for key, value in run.metrics.items()}
    facts: dict[str, Any] = {
        "id": unit.id,
        "entity": unit.entity,
        "project": unit.project,
        "name": last.name,
        "group": last.group,
        "job_type": last.job_type,
        "state": last.state,
        "exit_code": last.exit_code,
        "started": datetime.fromtimestamp(unit.started, timezone.utc).isoformat(timespec="seconds"),
        "metrics": metrics,
        "artifacts": sum(len(run.artifacts) for run in unit.fragments),
        "size": sum(run.size for run in unit.fragments),
        "synced": is_synced(unit),
        "synced_by_wandb": _is_synced_by_client(unit),
        "places": [str(run.place) for run in unit.fragments],
    }
    if whole:
        facts["tags"], facts["notes"], facts["config"] = last.tags, last.notes, config
        facts["artifacts"] = [
            {
                "name": made.name,
                "type": made.type,
                "aliases": made.aliases,
                "digest": made.digest,
                "files": len(made.entries),
                "size": made.size,
            }
            for run in unit.fragments
            for made in run.artifacts
        ]
        facts["inputs"] = [
            {"name": edge["name"], "alias": edge["alias"]} for run in unit.fragments for edge in run.inputs
        ]
    return facts


def _is_synced_by_client(unit: Unit) -> bool:
    return all(not run.is_packed and (run.place / f"{run.log}.synced").exists() for run in unit.fragments)


def _title(unit: Unit) -> str:
    return unit.fragments[-1].name or unit.id


def _metrics(unit: Unit) -> str:
    found = {key: value for run in unit.fragments for key, value in run.metrics.items()}
    shown = [f"{key}={_short(value)}" for key, value in sorted(found.items())[:_SHOWN_METRICS]]
    more = len(found) - _SHOWN_METRICS
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "{…}" if isinstance(value, dict) else str(value)[:20]


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _lines(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        return [f"{key} = {json.dumps(inner)}" for key, inner in value.items()] or [""]
    if isinstance(value, list):
        return [item if isinstance(item, str) else json.dumps(item) for item in value] or [""]
    return [str(value)]


def _print(what: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        # A table in a file or pipe is not to be folded to the width of a terminal that is not there.
        console = Console(highlight=False, width=400)
    console.print(what, markup=False) if isinstance(what, str) else console.print(what)


def _print_json(what: Any) -> None:
    sys.stdout.write(json.dumps(what, indent=1, default=str) + "\n")


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")
