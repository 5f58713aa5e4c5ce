"""Draws the lineage of an execution as SVG: its runs, and the artifacts between them."""

from __future__ import annotations

from collections import Counter, defaultdict
from html import escape

from ._graph import Graph
from ._render import STATES
from ._runs import OfflineRun

FOLDED_FROM = 11
"""So many runs of one task are one box with their count."""
_MOST = 120
_WIDTH, _HEIGHT, _GAP, _ACROSS = 180, 38, 14, 56
_LETTERS = 24


def picture(runs: dict[int, OfflineRun], linked: set[int]) -> str:
    """A picture, left to right; empty where no run produced or consumed anything.

    Args:
        runs: By number.
        linked: The numbers of those whose own part is on the page.
    """
    numbers = list(runs)
    graph = Graph(list(runs.values()))
    if not graph.made and not graph.used:
        return ""
    tasks = Counter(run.job_type for run in runs.values())
    folded = {task for task, count in tasks.items() if count >= FOLDED_FROM}

    def box_of(at: int) -> str:
        task = graph.runs[at].job_type
        return f"task {task}" if task in folded else f"run {at}"

    boxes: dict[str, str] = {}
    for at, run in enumerate(graph.runs):
        name = box_of(at)
        if name.startswith("task"):
            bad = sum(STATES.get(one.state) == "bad" for one in graph.runs if one.job_type == run.job_type)
            note = f"{tasks[run.job_type]} runs" + (f", {bad} failed or damaged" if bad else "")
            boxes[name] = _box(run.job_type or "runs", note, "bad" if bad else "good")
        else:
            drawn = _box(run.name, run.state, STATES.get(run.state, ""))
            boxes[name] = f"<a href='#run{numbers[at]}'>{drawn}</a>" if numbers[at] in linked else drawn
    homes: dict[str, str] = {}
    counts: Counter[str] = Counter()
    edges: dict[tuple[str, str], None] = {}
    for at, labels in graph.made.items():
        for label in labels:
            maker = box_of(at)
            home = f"of {maker} {label.rpartition(':')[0]}" if maker.startswith("task") else f"artifact {label}"
            counts[home] += label not in homes
            homes.setdefault(label, home)
            edges[maker, homes[label]] = None
    for label, users in graph.used.items():
        home = homes.setdefault(label, f"artifact {label}")
        edges |= {(home, box_of(at)): None for at in users}
    for label, home in homes.items():
        kind = graph.types.get(label, "")
        name = label if counts[home] < 2 else f"{label.rpartition(':')[0]} ({counts[home]} versions)"
        boxes[home] = _box(name, kind, "artifact")
    return _draw(boxes, list(edges))


def _draw(boxes: dict[str, str], edges: list[tuple[str, str]]) -> str:
    columns = _columns(boxes, edges)
    places: dict[str, tuple[int, int]] = {}
    before: dict[str, list[str]] = defaultdict(list)
    for one, other in edges:
        before[other].append(one)
    for column, names in enumerate(columns):
        # Near those that lead to it, so that fewer lines cross.
        heights = {name: [places[one][1] for one in before[name] if one in places] for name in names}
        names.sort(key=lambda name: sum(heights[name]) / len(heights[name]) if heights[name] else 0)
        for row, name in enumerate(names[: _MOST - len(places)]):
            places[name] = (column * (_WIDTH + _ACROSS) + 1, row * (_HEIGHT + _GAP) + 1)
    lines = []
    for one, other in edges:
        if one in places and other in places:
            (x, y), (to_x, to_y) = places[one], places[other]
            x, y, to_y = x + _WIDTH, y + _HEIGHT // 2, to_y + _HEIGHT // 2
            lines.append(f"<path d='M{x} {y}C{x + _ACROSS / 2} {y} {to_x - _ACROSS / 2} {to_y} {to_x} {to_y}'/>")
    drawn = "".join(f"<g transform='translate({x} {y})'>{boxes[name]}</g>" for name, (x, y) in places.items())
    width = max(x for x, _ in places.values()) + _WIDTH + 1
    height = max(y for _, y in places.values()) + _HEIGHT + 1
    left_out = len(boxes) - len(places)
    note = f"<p class='dim'>{left_out} more runs and artifacts are not drawn: see wandb-track lineage</p>"
    return (
        f"<div class='wide lineage'><svg viewBox='0 0 {width} {height}' style='min-width:{width * 2 // 3}px;"
        f"max-width:{width}px' role='img' aria-label='lineage'>"
        f"{''.join(lines)}{drawn}</svg></div>{note if left_out else ''}"
    )


def _columns(boxes: dict[str, str], edges: list[tuple[str, str]]) -> list[list[str]]:
    """Each box in the column after those that lead to it."""
    depth = dict.fromkeys(boxes, 0)
    # A circle, as clocks or folded tasks can make it, ends with the number of rounds.
    for _ in range(min(len(boxes), 40)):
        is_settled = True
        for one, other in edges:
            if depth[other] < depth[one] + 1 <= 40:
                depth[other], is_settled = depth[one] + 1, False
        if is_settled:
            break
    found: dict[int, list[str]] = defaultdict(list)
    for name, column in depth.items():
        found[column].append(name)
    return [found[column] for column in sorted(found)]


def _box(name: str, note: str, kind: str) -> str:
    shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    radius = _HEIGHT // 2 if kind == "artifact" else 6
    return (
        f"<g class='{kind}'><title>{escape(name)}</title><rect width='{_WIDTH}' height='{_HEIGHT}' rx='{radius}'/>"
        f"<text x='14' y='16'>{escape(shown)}</text><text class='sub' x='14' y='30'>{escape(note)}</text></g>"
    )
