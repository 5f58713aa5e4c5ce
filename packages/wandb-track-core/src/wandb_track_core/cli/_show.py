"""What `wandb-track runs`, `show` and `lineage` print."""

from __future__ import annotations

import json
import math
import shutil
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wandb_track_core._notify import notify
from wandb_track_core.offline._graph import Graph
from wandb_track_core.offline._render import bytes_of, cut
from wandb_track_core.offline._runs import OfflineRun, find_runs
from wandb_track_core.offline._sync._plan import is_synced

_SHOWN_METRICS = 4
_TITLES = ("id", "project", "group", "state", "metrics", "artifacts", "size", "synced")
_NUMBERS = ("artifacts", "size")
_CUT, _NARROW = ("metrics", "group", "project"), 10
"""What is cut, and to how much, where a terminal has no room."""


def runs(paths: list[Path], *, as_json: bool) -> int:
    """Print what is below the paths; returns the exit status."""
    found = find_runs(*paths)
    if as_json:
        _print_json([_facts(run) for run in found])
        return 0
    if not found:
        sys.stdout.write(f"no offline runs found in {', '.join(map(str, paths))}\n")
        return 0
    rows = [_TITLES, *map(_row, found)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for at in map(_TITLES.index, _CUT) if room else ():
        widths[at] -= max(0, min(sum(widths) + 2 * len(widths) - 2 - room, widths[at] - _NARROW))
    # Not by rich, which takes longer over a thousand rows than it takes to read the runs.
    for row in rows:
        cells = zip(_TITLES, row, widths, strict=True)
        line = (f"{cut(cell, width):{'>' if title in _NUMBERS else '<'}{width}}" for title, cell, width in cells)
        sys.stdout.write("  ".join(line).rstrip() + "\n")
    return 0


def _row(run: OfflineRun) -> tuple[str, ...]:
    return (
        run.id,
        "/".join(part for part in (run.entity, run.project) if part),
        run.group,
        f"failed ({run.exit_code})" if run.state == "failed" else run.state,
        _metrics(run),
        str(len(run.artifacts)),
        bytes_of(run.size),
        "yes" if is_synced(run) else "by wandb" if _is_synced_by_client(run) else "no",
    )


def show(name: str, paths: list[Path], *, as_json: bool) -> int:
    """Print one run, by id, folder or tar; returns the exit status."""
    is_place = Path(name).exists()
    among = find_runs(*([name] if is_place else paths))
    found = [run for run in among if is_place or name in (run.id, run.name)]
    if len(found) != 1:
        meant = ", ".join(sorted(str(run.folder) for run in found)) or "wandb-track runs lists their ids"
        notify(f"{len(found)} of {len(among)} runs found have the id, name or path {name!r}: {meant}")
        return 1
    if as_json:
        _print_json(_facts(found[0], whole=True))
        return 0
    for key, value in _facts(found[0], whole=True).items():
        for number, line in enumerate(_lines(value)):
            sys.stdout.write(f"{'' if number else key.replace('_', ' '):<17}{line}".rstrip() + "\n")
    return 0


def report(paths: list[Path], target: Path, *, is_opened: bool) -> int:
    """Draw all runs as one page; returns the exit status."""
    from wandb_track_core.offline._report import report as draw

    found = find_runs(*paths)
    if not found:
        notify(f"no offline runs found in {', '.join(map(str, paths))}")
        return 1
    page = draw(found, f"W&B runs in {', '.join(path.resolve().name for path in paths)}")
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        notify(f"{target} cannot be written: {error.strerror}")
        return 1
    if is_opened:
        webbrowser.open(target.resolve().as_uri())
    sys.stdout.write(f"{target}\n")
    return 0


def lineage(paths: list[Path], *, as_mermaid: bool) -> int:
    """Print the graph of runs and artifacts; returns the exit status."""
    graph = Graph(find_runs(*paths))
    if as_mermaid or not (graph.made or graph.used):
        sys.stdout.write(_mermaid(graph) if as_mermaid else "no lineage found\n")
        return 0
    from rich.console import Console

    # In a file or pipe nothing is folded to the width of a terminal that is not there.
    Console(highlight=False, width=None if sys.stdout.isatty() else 400).print(_tree(graph))
    return 0


def _tree(graph: Graph) -> Any:
    """As a tree for the terminal: what is reached on several ways is spelled out on the first."""
    from rich.markup import escape
    from rich.tree import Tree

    seen: set[int] = set()

    def add_run(parent: Any, number: int) -> None:
        is_repeated = number in seen and graph.made.get(number)
        seen.add(number)
        branch = parent.add(f"{escape(graph.runs[number].name)}{' …' if is_repeated else ''}")
        if not is_repeated:
            for label in graph.made.get(number, []):
                add_artifact(branch, label)

    def add_artifact(parent: Any, label: str) -> None:
        branch = parent.add(f"[bold]{escape(label)}[/bold]")
        for number in graph.used.get(label, []):
            add_run(branch, number)

    root = Tree("runs and artifacts", hide_root=True)
    made = {label for labels in graph.made.values() for label in labels}
    consumers = {number for label in made for number in graph.used.get(label, [])}
    for label in graph.used.keys() - made:
        add_artifact(root, label)
    for number in range(len(graph.runs)):
        if number not in consumers and (graph.made.get(number) or number not in seen):
            add_run(root, number)
    return root


def _mermaid(graph: Graph) -> str:
    lines = ["flowchart LR"]
    labels = dict.fromkeys([label for made in graph.made.values() for label in made] + list(graph.used))
    names = {label: f"a{number}" for number, label in enumerate(labels)}
    lines += [f'    r{number}["{_quoted(run.name)}"]' for number, run in enumerate(graph.runs)]
    lines += [f'    {name}(["{_quoted(label)}"])' for label, name in names.items()]
    lines += [f"    r{number} --> {names[label]}" for number, made in graph.made.items() for label in made]
    lines += [f"    {names[label]} --> r{number}" for label, used in graph.used.items() for number in used]
    return "\n".join(lines) + "\n"


def _facts(run: OfflineRun, *, whole: bool = False) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": run.id,
        "entity": run.entity,
        "project": run.project,
        "name": run.name,
        "group": run.group,
        "job_type": run.job_type,
        "state": run.state,
        "exit_code": run.exit_code,
        "started": run.started.isoformat(timespec="seconds") if run.started else None,
        "duration": run.duration,
        "metrics": run.summary,
        "artifacts": len(run.artifacts),
        "size": run.size,
        "synced": is_synced(run),
        "synced_by_wandb": _is_synced_by_client(run),
        "places": [str(part.place) for part in run.fragments],
        "faults": run.faults,
    }
    if whole:
        facts["tags"], facts["notes"], facts["config"] = run.tags, run.notes, run.config
        facts["artifacts"] = [
            {
                "name": made.name,
                "type": made.type,
                "aliases": made.aliases,
                "digest": made.digest,
                "files": len(made.entries),
                "size": made.size,
            }
            for made in run.artifacts
        ]
        facts["inputs"] = [{"name": used.name, "alias": used.alias} for used in run.inputs]
    return facts


def _is_synced_by_client(run: OfflineRun) -> bool:
    return all(not part.is_packed and (part.place / f"{part.log}.synced").exists() for part in run.fragments)


def _metrics(run: OfflineRun) -> str:
    shown = [f"{key}={_short(value)}" for key, value in sorted(run.summary.items())[:_SHOWN_METRICS]]
    more = len(run.summary) - _SHOWN_METRICS
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return str(value.get("type", value.get("_type", "{…}")))  # of an exception, of media
    return " ".join(str(value)[:20].split())


def _lines(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        return [f"{key} = {json.dumps(inner)}" for key, inner in value.items()] or [""]
    if isinstance(value, list):
        return [item if isinstance(item, str) else json.dumps(item) for item in value] or [""]
    return [str(value)]


def _print_json(what: Any) -> None:
    sys.stdout.write(json.dumps(_as_json(what), indent=1, allow_nan=False) + "\n")


def _as_json(value: Any) -> Any:
    """NaN and infinity are null, as the server has them: JSON knows neither."""
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")
