"""Draws many runs as one page: for each execution its lineage, a table of its runs, siblings compared, each run."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter, defaultdict
from copy import copy
from html import escape
from typing import Any

from ._curves import Curve, chart, line_of, read_rows
from ._lineage_picture import picture
from ._page import SCRIPT, STYLE
from ._render import (
    EXCEPTION,
    HIGHER,
    LOWER,
    MOST_TEXT,
    badge,
    draw_run,
    flat,
    label_of,
    seconds_of,
    telling_first,
    text_of,
)
from ._runs import OfflineRun

MOST_RUNS = 2000
MOST_PARTS = 100
"""Runs whose own part is drawn."""
_MOST_CURVES = 40
_MOST_CHARTS = 12
_MOST_COLUMNS = 24
_Read = dict[int, tuple[dict[str, Curve], int]]


def report(runs: list[OfflineRun], title: str = "W&B runs") -> str:
    """A page of HTML that needs no network.

    Args:
        runs: What `find_runs` found.
        title: Of the page.
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    names = Counter((run.entity, run.project, run.group, run.name) for run in runs[:MOST_RUNS])
    shown = [copy(run) for run in runs[:MOST_RUNS]]
    for run in shown:
        if names[run.entity, run.project, run.group, run.name] > 1:
            run.name += f" {run.id}"
    executions: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, run in enumerate(shown):
        executions[run.entity, run.project, run.group].append(number)
    states = ", ".join(f"{count} {state}" for state, count in Counter(run.state for run in shown).most_common())
    notes = [f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}: {states}" if runs else "No runs were found."]
    if len(runs) > MOST_RUNS:
        notes.append(f"The first {MOST_RUNS} of {len(runs)} runs are shown: give fewer paths to see the others.")
    if len(shown) > MOST_PARTS:
        notes.append(
            f"Details of {MOST_PARTS} runs are drawn, of those that failed or are damaged first. Curves of at most"
            f" {_MOST_CURVES} siblings are compared."
        )
    # Those that somebody will look for first.
    order = sorted(range(len(shown)), key=lambda number: shown[number].state == "finished")
    detailed = set(order[:MOST_PARTS])
    sections = (_execution(shown, numbers, key, detailed) for key, numbers in executions.items())
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width,initial-scale=1'><link rel='icon' href='data:,'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main class='wt page'><h1>{escape(title)}</h1>"
        f"{''.join(f'<p class=dim>{escape(note)}</p>' for note in notes)}{''.join(sections)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _execution(runs: list[OfflineRun], numbers: list[int], key: tuple[str, str, str], detailed: set[int]) -> str:
    mine = {number: runs[number] for number in numbers}
    tasks: dict[str, list[int]] = defaultdict(list)
    for number, run in mine.items():
        tasks[run.job_type].append(number)
    compared = [number for found in tasks.values() if len(found) > 1 for number in found[:_MOST_CURVES]]
    rows = {number: read_rows(mine[number]) for number in {*compared, *detailed & mine.keys()}}
    read: _Read = {number: (found.curves(), found.left_out) for number, found in rows.items()}
    order = {
        number: (list(tasks).index(run.job_type), tasks[run.job_type].index(number)) for number, run in mine.items()
    }
    siblings = [_siblings(mine, found, at, read) for at, found in enumerate(tasks.values()) if len(found) > 1]
    place = "/".join(filter(None, key[:2]))
    parts = [
        f"<details id='run{number}'{' open' if len(runs) <= 2 else ''}>"
        f"<summary>{escape(label_of(run))}{badge(run)}</summary>{draw_run(run, *read[number])}</details>"
        for number, run in mine.items()
        if number in detailed
    ]
    return (
        f"<section class='execution'><h2>{escape(key[2] or 'Runs without a group')}</h2>"
        f"<p class='dim'>{escape(place)}</p>{picture(mine, detailed)}{_table(mine, order, detailed)}"
        f"{''.join(siblings)}{''.join(parts)}</section>"
    )


def _table(runs: dict[int, OfflineRun], order: dict[int, tuple[int, int]], detailed: set[int]) -> str:
    """What tells the runs apart, one in a row."""
    configs = {
        number: dict(flat({key: value for key, value in run.config.items() if not _is_identity(value)}))
        for number, run in runs.items()
    }
    differing = [
        key
        for key in Counter(key for config in configs.values() for key in config)
        if len({text_of(config[key]) for config in configs.values() if key in config}) > 1
    ]
    finals = {number: dict(flat(run.summary)) for number, run in runs.items()}
    metrics = Counter(
        key
        for final in finals.values()
        for key, value in final.items()
        if key not in EXCEPTION and not isinstance(value, dict | list)
    )
    shown, columns = differing[:_MOST_COLUMNS], _foremost(metrics, _MOST_COLUMNS)
    best = {
        (task, key): _best(key, [finals[number].get(key) for number in runs if order[number][0] == task])
        for task in {task for task, _ in order.values()}
        for key in columns
    }
    heads = ["run", "state", "duration", *shown, *columns]
    rows = []
    for number, run in runs.items():
        name = escape(label_of(run))
        task, sibling = order[number]
        cells = [
            f"<td><input type='checkbox' aria-label='pick {name}' data-t='{task}' data-s='{sibling}'></td>",
            f"<td title='{escape(run.name)}'>{f'<a href=#run{number}>{name}</a>' if number in detailed else name}</td>",
            f"<td>{badge(run)}</td><td data-v='{'' if run.duration is None else run.duration}'>{seconds_of(run)}</td>",
            *(_cell(configs[number].get(key)) for key in shown),
            *(_cell(finals[number].get(key), best[task, key]) for key in columns),
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    left_out = len(differing) - len(shown) + len(metrics) - len(columns)
    note = f" Not shown: {left_out} of {len(differing) + len(metrics)} columns." if left_out else ""
    marked = (
        " ★ is the best run of a task: the lowest loss or error, the highest accuracy or score."
        if any(value is not None for value in best.values())
        else ""
    )
    return (
        "<div class='wide'><table class='runs'><thead><tr><th></th>"
        f"{''.join(f'<th><button>{escape(head)}</button></th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        + (f"<p class='dim'>{(marked + note).strip()}</p>" if marked or note else "")
    )


def _is_identity(value: Any) -> bool:
    return isinstance(value, dict) and "attempt" in value


def _best(key: str, values: list[Any]) -> float | None:
    """The best of a metric's final values, where its name says which that is, and there is something to compare."""
    numbers = [value for value in values if _is_number(value) and math.isfinite(value)]
    if len(set(numbers)) < 2:
        return None
    if LOWER.search(key):
        return float(min(numbers))
    return float(max(numbers)) if HIGHER.search(key) else None


def _foremost(keys: Counter[str], most: int) -> list[str]:
    """Those that tell which run is the best, then others; of most runs first."""
    return [key for key, _ in Counter({key: keys[key] for key in telling_first(keys)[:most]}).most_common()]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any, best: float | None = None) -> str:
    text, whole = ("", "") if value is None else (escape(text_of(value)), escape(str(value)[:MOST_TEXT]))
    exact = f" data-v='{value}'" if _is_number(value) and math.isfinite(value) else ""
    return f"<td{exact} class='{'best' if best is not None and value == best else ''}' title='{whole}'>{text}</td>"


def _siblings(runs: dict[int, OfflineRun], numbers: list[int], task: int, read: _Read) -> str:
    """Runs of one task, a chart for each metric."""
    shown = numbers[:_MOST_CURVES]
    keys = Counter(key for number in shown for key, curve in read[number][0].items() if len(curve) > 1)
    charts = [
        chart(
            key,
            [
                (label_of(runs[number]), at, read[number][0][key])
                for at, number in enumerate(shown)
                if key in read[number][0]
            ],
        )
        for key in _foremost(keys, _MOST_CHARTS)
    ]
    if not charts:
        return ""
    legend = "".join(
        f"<button aria-pressed='true' data-s='{at}'><svg viewBox='0 0 14 8' aria-hidden='true'>"
        f"<path class='{line_of(at)}' d='M0 4h14'/></svg>{escape(label_of(runs[number]))}</button>"
        for at, number in enumerate(shown)
    )
    notes = [f"{len(numbers) - len(shown)} of {len(numbers)} runs"] if len(numbers) > len(shown) else []
    notes += [f"{len(keys) - _MOST_CHARTS} of {len(keys)} metrics"] if len(keys) > _MOST_CHARTS else []
    return (
        f"<div class='siblings' data-t='{task}'><h3>{escape(runs[numbers[0]].job_type or 'Runs')} compared</h3>"
        f"<div class='legend'>{legend}</div><div class='grid'>{''.join(charts)}</div>"
        + (f"<p class='dim'>Not drawn here: {' and '.join(notes)}.</p>" if notes else "")
        + "</div>"
    )
