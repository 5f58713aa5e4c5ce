"""Curves of a run's history: read fast, thinned so that no spike is lost, drawn as charts that need no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from html import escape
from typing import Any

from . import _log, _schema
from ._runs import OfflineRun, Offsets

_KEPT = 4096
"""Points of a curve in memory."""
_DRAWN = 256
"""Points of a curve in a chart, at most."""
MOST_KEYS = 200
"""Curves of a run that are read."""
_DECADES = 1000
"""The ratio of largest to smallest value from which an axis is logarithmic."""
_SIZE = 1000
_COLOURS = 10


class Curve:
    """One metric over the steps, or over another metric.

    Attributes:
        over: The name of that one; "steps" where it has none.
        axis: Its curve.
        latest: The value of the row that was read last.
    """

    def __init__(self) -> None:
        self.over = "steps"
        self.axis: Curve | None = None
        self.latest = math.nan
        self._xs: list[float] = []
        self._ys: list[float] = []
        self._thinned: tuple[list[float], list[float]] = [], []
        self._bin = 32

    def add(self, x: float, y: float) -> None:
        """Add a point, whose value may be NaN, a gap; thin all that has come since the last time if it is long."""
        self._xs.append(x)
        self._ys.append(y)
        if len(self._xs) == _KEPT:
            for kept, new in zip(self._thinned, _extremes(self._xs, self._ys, self._bin), strict=True):
                kept += new
            self._xs, self._ys = [], []
            if len(self._thinned[0]) > _KEPT:
                self._thinned = _extremes(*self._thinned, 4)
                self._bin *= 2

    def __len__(self) -> int:
        return len(self._thinned[0]) + len(self._xs)

    def drawn(self) -> Iterator[tuple[float, float]]:
        """The points that a chart shows."""
        xs, ys = self._thinned[0] + self._xs, self._thinned[1] + self._ys
        while len(xs) > _DRAWN:
            # At most three points of each part are kept, so that fewer are left each time.
            xs, ys = _extremes(xs, ys, max(4, -(-2 * len(xs) // _DRAWN)))
        return zip(xs, ys, strict=True)


_NEW = Curve()
"""Stands for that of a key that has not come before."""


def _extremes(xs: list[float], ys: list[float], size: int) -> tuple[list[float], list[float]]:
    """Of each so many points the lowest and the highest, and a gap among them."""
    kept: list[int] = []
    for at in range(0, len(xs), size):
        part = ys[at : at + size]
        finite = part if math.isfinite(sum(part)) else [y for y in part if math.isfinite(y)]
        found = {part.index(min(finite)), part.index(max(finite))} if finite else set()
        if len(finite) < len(part):
            found.add(next(number for number, y in enumerate(part) if not math.isfinite(y)))
        kept += sorted(at + number for number in found)
    return [xs[at] for at in kept], [ys[at] for at in kept]


class Rows:
    """The curves of what a run logs as numbers, row by row.

    Attributes:
        left_out: How many keys have no curve because there are too many.
        offsets: Those of the fragment that is read.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._curves: dict[str, Curve] = {}
        self._seen: dict[bytes, Curve | None] = {}
        self.offsets = Offsets()

    def add(self, row: Any, axes: Mapping[str, str]) -> None:
        """Add a row. A card waits for each one, so that no item of it is parsed."""
        step = float(row.step.num + self.offsets.of_row(row.step.num))
        found = []
        for item in row.item:
            key, _, value = item.partition(_log.VALUE)
            curve = self._seen.get(key, _NEW)
            if curve is None:
                continue
            try:
                number = float(value[1:])  # behind its length, as JSON writes it
            except ValueError:
                continue
            curve = self._see(key, axes) if curve is _NEW else curve
            if curve is not None:
                curve.latest = number
                found.append(curve)
        for curve in found:
            if curve.axis is None:
                curve.add(step, curve.latest)
            elif math.isfinite(curve.axis.latest):
                curve.add(curve.axis.latest, curve.latest)

    def curves(self) -> dict[str, Curve]:
        """The curves so far, by key."""
        return dict(sorted(self._curves.items()))

    def _see(self, key: bytes, axes: Mapping[str, str]) -> Curve | None:
        """The curve of a key that has not come before; None where it has none."""
        name = ".".join(_log.keys_of(_schema.Item.FromString(key)))
        is_full = name not in self._curves and len(self._curves) == MOST_KEYS
        self.left_out += is_full and not name.startswith("_")
        curve = None if is_full or name.startswith("_") else self._curves.setdefault(name, Curve())
        over = axes[name] if name in axes else next((axes[glob] for glob in axes if fnmatchcase(name, glob)), "")
        if curve is not None and over and not over.startswith("_") and over != name:
            curve.over, curve.axis = over, self._curves.setdefault(over, Curve())
        self._seen[key] = curve
        return curve


def read_rows(run: OfflineRun) -> Rows:
    """Read a run's history."""
    rows = Rows()
    for part in run.fragments:
        rows.offsets.begin(part)
        for row in part.history():
            rows.add(row, part.axes)
    return rows


def short(value: object) -> str:
    """A value in a few characters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def chart(title: str, series: Iterable[tuple[str, int, Curve]]) -> str:
    """A chart of curves, as HTML; empty where there is nothing to draw.

    Args:
        title: What it shows.
        series: A label, the number of a colour, and the curve, for each.
    """
    series = list(series)
    over = escape(next((curve.over for _, _, curve in series), ""))
    drawn = [(label, number, [*curve.drawn()]) for label, number, curve in series]
    finite = [point for _, _, points in drawn for point in points if math.isfinite(point[1])]
    if not finite:
        return ""
    left, right = min(x for x, _ in finite), max(x for x, _ in finite)
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    is_log = low > 0 and high / low >= _DECADES
    bottom, top = (math.log10(low), math.log10(high)) if is_log else (low, high)
    # Half of it each, as the difference of two large numbers may be infinite.
    if not top / 2 - bottom / 2 > 0:
        bottom, top = bottom - (abs(bottom) / 2 or 1), top + (abs(top) / 2 or 1)
    height, width = top / 2 - bottom / 2, right - left or 1

    def place(y: float) -> float:
        return (1 - ((math.log10(y) if is_log else y) / 2 - bottom / 2) / height) * _SIZE

    paths = []
    for label, number, points in drawn:
        path, is_open = [], False
        for x, y in points:
            if math.isfinite(y):
                path.append(f"{'L' if is_open else 'M'}{(x - left) / width * _SIZE:.7g},{place(y):.7g}")
                path += [] if is_open else ["h0"]  # a point alone is seen, too
            is_open = math.isfinite(y)
        paths.append(
            f"<path class='{line_of(number)}' data-s='{number}' d='{''.join(path)}'>"
            f"<title>{escape(label)}</title></path>"
        )
    marks = [(place(value), _name(value, top - bottom, is_log)) for value in _ticks(bottom, top, is_log)]
    room = max((len(name) for _, name in marks), default=0)
    lines = "".join(f"<path class='grid' d='M0,{at:.4g}h{_SIZE}'/>" for at, _ in marks)
    labels = "".join(f"<i style='top:{at / _SIZE * 100:.3g}%'>{name}</i>" for at, name in marks)
    return (
        f"<figure data-x='{left} {right}' data-y='{bottom} {top} {int(is_log)}' style='--room:{room}ch'>"
        f"<figcaption>{escape(title)}{' <small>log</small>' if is_log else ''}<output></output></figcaption>"
        f"<div class='plot'>{labels}<svg viewBox='0 0 {_SIZE} {_SIZE}' preserveAspectRatio='none' role='img'"
        f" aria-label='{escape(title)} over {over}'>{lines}{''.join(paths)}</svg></div>"
        f"<div class='steps'><span>{left:.12g}</span><span>{over}</span><span>{right:.12g}</span></div></figure>"
    )


def line_of(number: int) -> str:
    """The classes that tell a curve from others: ten colours, and then the same ones with dashes."""
    return f"c{number % _COLOURS} d{number // _COLOURS}"


def _name(value: float, height: float, is_log: bool) -> str:
    """A value on an axis, with so many digits that it differs from its neighbours."""
    ratio = abs(value) / height if not is_log and 0 < height < math.inf else 0
    return f"{value:.{min(4 + max(0, int(math.log10(ratio or 1))), 12)}g}"


def _ticks(bottom: float, top: float, is_log: bool) -> list[float]:
    """Round values between two."""
    if is_log:
        first, last = math.ceil(bottom), math.floor(top)
        return [10.0**power for power in range(first, last + 1, max(1, -(-(last - first) // 5)))]
    rough = top / 4 - bottom / 4
    if not math.isfinite(rough) or rough < 1e-300:
        return [bottom, top]
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.ceil(bottom / step), math.floor(top / step)
    return [number * step for number in range(first, last + 1)] if last - first < 10 else [bottom, top]


def histogram(counts: list[float], edges: list[float]) -> str:
    """Bars, as HTML."""
    most, wide = max(counts, default=0) or 1, _SIZE / max(len(counts), 1)
    bars = "".join(
        f"<rect x='{number * wide:.4g}' width='{wide:.4g}' y='{(1 - count / most) * _SIZE:.4g}'"
        f" height='{count / most * _SIZE:.4g}'/>"
        for number, count in enumerate(counts)
    )
    ends = f"<span>{short(edges[0])}</span><span>{short(edges[-1])}</span>" if edges else ""
    return (
        f"<div class='plot bars'><svg viewBox='0 0 {_SIZE} {_SIZE}' preserveAspectRatio='none'>{bars}</svg></div>"
        f"<div class='steps'>{ends}</div>"
    )
