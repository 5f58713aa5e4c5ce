"""Draws a run as HTML that needs no network and no script: for a card, a Deck, a report.

Everything that a run holds is text here, whatever it looks like: a name, a key, a value.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ._curves import MOST_KEYS, Curve, Rows, chart, read_rows, short
from ._finding import find_fragments
from ._fragments import read_folder, read_tar
from ._media import is_media, media
from ._pack import await_end
from ._page import STYLE
from ._runs import OfflineRun, group

MOST_CHARTS = 24
"""Charts of one run."""
END_SECONDS = 0.05
"""How long a card or Deck may wait for the end of a run that was closed just now."""
_MOST_ROWS = 100
MOST_TEXT = 300
EXCEPTION = ("exception.type", "exception.message")
# Not an error in "interrupts", an IoU in "previous", nor a mAP in "mape".
LOWER = re.compile(r"loss(?!_?scale)|err(ors?)?(?![a-z])|mse|mae|mape|perplexity|regret", re.IGNORECASE)
HIGHER = re.compile(
    r"acc(uracy)?(?![a-z])|auc|auroc|f1(?!\d)|score|precision|recall|reward|bleu|(?<![a-z])(r2|m?iou|map)(?![a-z])",
    re.IGNORECASE,
)
STATES = {"finished": "good", "failed": "bad", "damaged": "bad", "not closed": "open", "preempted": "open"}


def render_run(
    folder: str | Path, *, links: Mapping[str, str] = {}, is_closed: bool = False, stored: Iterable[str] = ()
) -> str:
    """Draw a run, which may still be open, as a fragment of HTML with its style.

    Args:
        folder: The run's own folder, or its tar.
        links: Addresses of pages about it, by what they are called.
        is_closed: Whether the run was closed just now: the client writes its end a few milliseconds later.
        stored: Where the packed run was brought, if its folder is on a temporary machine: what is to be synced.

    Returns:
        The fragment. It says so where there is no run.
    """
    folder, rows = Path(folder), Rows()
    if is_closed:
        await_end(folder, END_SECONDS)
    log = next((path.name for path in folder.glob("run-*.wandb")), None)
    if log is not None:
        # In one pass: a card is drawn while the task waits.
        parts = [read_folder(folder, log, rows=rows.add)]
    else:
        parts = list(read_tar(folder, is_meant=True, rows=rows.add)) if folder.is_file() else []
    if parts and parts[0].starting_step:
        # It began in another folder, beside this one.
        parts = find_fragments([folder])
        rows = read_rows(group(parts)[-1])
    runs = group(parts)
    if not runs:
        return f"<style>{STYLE}</style><div class='wt'><p class='dim'>No run found in {escape(str(folder))}</p></div>"
    drawn = draw_run(runs[-1], rows.curves(), rows.left_out, links, stored)
    return f"<style>{STYLE}</style><div class='wt'>{drawn}</div>"


def draw_run(
    run: OfflineRun,
    curves: dict[str, Curve],
    left_out: int = 0,
    links: Mapping[str, str] = {},
    stored: Iterable[str] = (),
) -> str:
    """The run's own part, without the style.

    Args:
        run: The run.
        curves: Its curves.
        left_out: How many curves were not read.
        links: As for `render_run`.
        stored: As for `render_run`.
    """
    drawable = [key for key in telling_first(curves) if len(curves[key]) > 1]
    charts = [drawn for key in drawable if (drawn := chart(key, [(key, 0, curves[key])]))]
    left_out += max(0, len(charts) - MOST_CHARTS)
    note = f"Metrics not drawn: {left_out} (limits: {MOST_KEYS} read, {MOST_CHARTS} drawn)" if left_out else ""
    summary = [(key, value) for key, value in flat(run.summary) if not (is_media(value) or key in EXCEPTION)]
    made = [
        (
            one.name,
            f"{one.aliases[-1] if one.aliases else one.digest} · {one.type}"
            + (f", {bytes_of(one.size)}" if one.entries else ""),  # those of an online run are not known here
        )
        for one in run.artifacts
    ]
    used = [(one.name, f"{one.alias} · {one.type}".rstrip(" ·")) for one in run.inputs]
    nested = {key: value for key, value in run.config.items() if isinstance(value, dict)}
    config = [*flat(run.config)]
    # The orchestrator's own page, as its package notes it beside the attempt.
    links = {f"Open in {key.title()}": str(each["url"]) for key, each in nested.items() if each.get("url")} | {**links}
    parts = [
        f"<h3>{escape(run.name)} {badge(run)}</h3>",
        f"<p class='dim'>{' · '.join(f'<bdi>{escape(fact)}</bdi>' for fact in _facts(run))}</p>",
        _links(links),
        _exception(run),
        "".join(f"<p class='fault'>{escape(fault)}</p>" for fault in run.faults),
        f"<div class='grid'>{''.join(charts[:MOST_CHARTS])}</div>" if charts else "",
        f"<p class='dim'>{note}</p>" if note else "",
        media(run),
        "<div class='columns'>",
        _table("Summary", summary),
        _table("Config", config),
        _table("Inputs", used),
        _table("Outputs", made),
        "</div>",
    ]
    if not run.fragments[-1].is_online:
        places = escape(" ".join(map(shlex.quote, stored or [str(run.folder.absolute())])))
        is_remote = "://" in places
        hint = f"Download <code>{places}</code>, and sync the copy with" if is_remote else "Sync it:"
        parts.append(f"<p class='dim'>{hint} <code>wandb-track sync{'' if is_remote else f' {places}'}</code></p>")
    return "".join(parts)


def badge(run: OfflineRun) -> str:
    """The run's state."""
    words = {"not closed": "still open, or killed", "failed": f"failed ({run.exit_code})"}
    return f"<span class='badge {STATES.get(run.state, '')}'>{escape(words.get(run.state, run.state))}</span>"


def seconds_of(run: OfflineRun) -> str:
    """How long it ran, for people."""
    if run.duration is None:
        return ""
    minutes, seconds = divmod(round(run.duration), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {seconds} s"
    return f"{seconds} s" if run.duration >= 1 else "under 1 s"


def bytes_of(size: float) -> str:
    """A size, for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _facts(run: OfflineRun) -> list[str]:
    started = f"{run.started:%Y-%m-%d %H:%M:%S} UTC" if run.started else ""
    took = f"took {seconds_of(run)}" if run.duration is not None else ""
    tags = f"tags: {', '.join(run.tags)}" if run.tags else ""
    return [fact for fact in (run.path, run.group, run.job_type, started, took, tags) if fact]


def _links(links: Mapping[str, str]) -> str:
    safe = {name: url for name, url in links.items() if url.startswith(("https://", "http://"))}
    shown = (f"<a rel='noreferrer' href='{escape(url)}'>{escape(name)}</a>" for name, url in safe.items())
    return f"<p>{' · '.join(shown)}</p>" if safe else ""


def _exception(run: OfflineRun) -> str:
    error = run.summary.get("exception")
    if not isinstance(error, dict):
        return ""
    return f"<pre class='fault'>{escape(str(error.get('type', '')))}: {escape(str(error.get('message', '')))}</pre>"


def telling_first(metrics: Iterable[str]) -> list[str]:
    """Metrics in their order, but those that tell which run is the best come first: losses, accuracies and the like."""
    return sorted(metrics, key=lambda key: not (LOWER.search(key) or HIGHER.search(key)))


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Keys and values of a config or summary, with those of dictionaries in it; their keys are joined with a dot."""
    for key, value in values.items():
        if isinstance(value, dict) and value and not is_media(value):
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def label_of(run: OfflineRun) -> str:
    """What tells a run from others of its execution, whose name its own begins with."""
    return run.name.removeprefix(f"{run.group.replace('/', '-')}-") or run.name


def _table(title: str, values: list[tuple[str, Any]]) -> str:
    if not values:
        return ""
    rows = "".join(
        f"<tr><th>{escape(str(key))}</th><td>{escape(text_of(value))}</td></tr>" for key, value in values[:_MOST_ROWS]
    )
    more = f"<p class='dim'>and {len(values) - _MOST_ROWS} more</p>" if len(values) > _MOST_ROWS else ""
    return f"<section><h4>{title}</h4><table class='facts'>{rows}</table>{more}</section>"


def text_of(value: Any) -> str:
    """A value of a config or summary, as text of a bounded length."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else short(value)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"


def cut(text: str, most: int) -> str:
    """A text in at most so many letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
