"""Draws the lineage of an execution as SVG: its runs, and the artifacts between them."""

from __future__ import annotations

from collections import Counter
from html import escape
from itertools import pairwise

from ._graph import Graph
from ._render import STATES, cut, label_of, seconds_of
from ._runs import OfflineRun

FOLDED_FROM = 11
"""So many runs of one task are one box with their count."""
_MOST = 120
_WIDTH, _HEIGHT, _GAP, _ACROSS = 184, 40, 12, 52
_LETTERS = 21


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
            bad = [one.state for one in graph.runs if one.job_type == run.job_type and STATES.get(one.state) == "bad"]
            note = f"{tasks[run.job_type]} runs" + (f", {len(bad)} {' or '.join(sorted({*bad}))}" if bad else "")
            boxes[name] = _box(run.job_type or "runs", note, "bad" if bad else "good")
        else:
            drawn = _box(label_of(run), f"{run.state} {seconds_of(run)}".strip(), STATES.get(run.state, ""))
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
        name, _, version = label.rpartition(":")
        version = version if counts[home] < 2 else f"{counts[home]} versions"
        boxes[home] = _box(name, f"{graph.types.get(label, '')} {version}".strip(), "artifact")
    return _draw(boxes, list(edges))


def _draw(boxes: dict[str, str], edges: list[tuple[str, str]]) -> str:
    depth = _depths(boxes, edges)
    columns: list[dict[str, list[str]]] = [{} for _ in range(max(depth.values()) + 1)]
    for name, column in depth.items():
        columns[column][name] = []
    # An edge takes a row of its own in each column that it passes: none goes behind a box.
    chains = [[one, *(f"{one} in {at}" for at in range(depth[one] + 1, depth[other])), other] for one, other in edges]
    for chain in chains:
        for column, (one, other) in enumerate(pairwise(chain), depth[chain[0]] + 1):
            columns[min(column, depth.get(other, column))].setdefault(other, []).append(one)
    places: dict[str, tuple[int, int]] = {}
    for column, found in enumerate(columns):
        # Near those that lead to it, so that fewer lines cross.
        heights = {name: [places[one][1] for one in before if one in places] for name, before in found.items()}
        names = sorted(found, key=lambda name: sum(heights[name]) / len(heights[name]) if heights[name] else 0)
        for row, name in enumerate(names[: _MOST - len(places)]):
            places[name] = (column * (_WIDTH + _ACROSS) + 1, row * (_HEIGHT + _GAP) + 1)
    lines = {}
    for chain in chains:
        for one, other in pairwise(chain):
            if one in places and other in places:
                (x, y), (to_x, to_y) = places[one], places[other]
                x, y, to_y = x + _WIDTH, y + _HEIGHT // 2, to_y + _HEIGHT // 2
                through = "" if other in boxes else f"h{_WIDTH}"
                curve = f"M{x} {y}C{x + _ACROSS // 2} {y} {to_x - _ACROSS // 2} {to_y} {to_x} {to_y}"
                lines[one, other] = f"<path d='{curve}{through}'/>"
    shown = {name: place for name, place in places.items() if name in boxes}
    drawn = [f"<g transform='translate({x} {y})'>{boxes[name]}</g>" for name, (x, y) in shown.items()]
    width = max(x for x, _ in places.values()) + _WIDTH + 1
    height = max(y for _, y in places.values()) + _HEIGHT + 1
    left_out = len(boxes) - len(drawn)
    note = f"<p class='dim'>{left_out} more runs and artifacts are not drawn: see wandb-track lineage</p>"
    return (
        f"<div class='wide lineage'><svg viewBox='0 0 {width} {height}' style='min-width:{width * 2 // 3}px;"
        f"max-width:{width}px' role='img' aria-label='lineage'>"
        f"{''.join(lines.values())}{''.join(drawn)}</svg></div>{note if left_out else ''}"
    )


def _depths(boxes: dict[str, str], edges: list[tuple[str, str]]) -> dict[str, int]:
    """The column of each box: after those that lead to it."""
    depth = dict.fromkeys(boxes, 0)
    # A circle, as clocks or folded tasks can make it, ends with the number of rounds.
    for _ in range(min(len(boxes), 40)):
        is_settled = True
        for one, other in edges:
            if depth[other] < depth[one] + 1 <= 40:
                depth[other], is_settled = depth[one] + 1, False
        if is_settled:
            break
    columns = sorted(set(depth.values()))
    return {name: columns.index(column) for name, column in depth.items()}


def _box(name: str, note: str, kind: str) -> str:
    shown, below = name, cut(note, _LETTERS)
    if len(name) > _LETTERS:
        # Names that begin alike often differ in their end.
        shown = f"{name[: _LETTERS // 2]}…{name[-(_LETTERS // 2) :]}"
    radius = _HEIGHT // 2 if kind == "artifact" else 6
    title = f"{name}: {note}"
    return (
        f"<g class='{kind}'><title>{escape(title)}</title><rect width='{_WIDTH}' height='{_HEIGHT}' rx='{radius}'/>"
        f"<text x='14' y='17'>{escape(shown)}</text><text class='sub' x='14' y='32'>{escape(below)}</text></g>"
    )
