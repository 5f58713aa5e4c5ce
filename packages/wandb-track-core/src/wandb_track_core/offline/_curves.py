"""Curves of a run's history: read fast, thinned so that no spike is lost, drawn as charts that need no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape

from . import _log, _schema
from ._runs import OfflineRun

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
_NUMBER = b"-0123456789NI"


class Curve:
    """One metric over the steps.

    Attributes:
        xs: Steps.
        ys: Values; NaN is a gap.
    """

    def __init__(self) -> None:
        self.xs: list[float] = []
        self.ys: list[float] = []

    def add(self, x: float, y: float) -> None:
        """Add a point, and thin the curve when it becomes long."""
        self.xs.append(x)
        self.ys.append(y)
        if len(self.xs) > _KEPT:
            self._thin()

    def drawn(self) -> Iterator[tuple[float, float]]:
        """The points that a chart shows."""
        while len(self.xs) > _DRAWN:
            self._thin()
        return zip(self.xs, self.ys, strict=True)

    def _thin(self) -> None:
        """Keep the lowest and the highest of each four points, and a gap among them."""
        xs, ys = self.xs, self.ys
        self.xs, self.ys = [], []
        for at in range(0, len(xs), 4):
            four = ys[at : at + 4]
            finite = four if math.isfinite(sum(four)) else [y for y in four if math.isfinite(y)]
            kept = {four.index(min(finite)), four.index(max(finite))} if finite else set()
            if len(finite) < len(four):
                kept.add(next(number for number, y in enumerate(four) if not math.isfinite(y)))
            for number in sorted(kept):
                self.xs.append(xs[at + number])
                self.ys.append(four[number])


class Rows:
    """The curves of what a run logs as numbers, row by row.

    It looks at the bytes of a row: parsing each one costs ten times as much.

    Attributes:
        left_out: How many keys have no curve because there are too many.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._curves: dict[bytes, Curve | None] = {}
        self._names: dict[bytes, str] = {}
        self._step_key = b""
        self._offset = self._next_step = 0.0

    def begin(self, first_step: int) -> None:
        """Go on with a fragment, whose steps may count from 0 again."""
        self._offset = max(0.0, self._next_step - first_step)

    def add(self, contents: bytes) -> None:
        """Add a row as the log has it."""
        at, size = 0, len(contents)
        numbers = {}
        while at < size:
            tag, length, at = contents[at], contents[at + 1], at + 2
            if length > 0x7F:
                length, at = _log.varint(contents, at - 1)
            if tag == _log.UPDATE:
                key, _, value = contents[at : at + length].partition(_log.VALUE)
                # After its length, which is one byte for every number.
                if value[1:2] in _NUMBER:
                    numbers[key] = value[1:]
            at += length
        for key in numbers.keys() - self._curves.keys():
            self._see(key)
        step = float(numbers.get(self._step_key, self._next_step - self._offset)) + self._offset
        for key, value in numbers.items():
            curve = self._curves[key]
            if curve is not None:
                curve.add(step, float(value))
        self._next_step = step + 1

    def _see(self, key: bytes) -> None:
        name = self._names[key] = ".".join(_log.keys_of(_schema.Item.FromString(key)))
        if name == "_step":
            self._step_key = key
        is_full = len(self._names) > MOST_KEYS
        self._curves[key] = None if name.startswith("_") or is_full else Curve()
        self.left_out += is_full

    def curves(self) -> dict[str, Curve]:
        """The curves so far, by key."""
        found = {self._names[key]: curve for key, curve in self._curves.items() if curve is not None}
        return dict(sorted(found.items()))


def read_rows(run: OfflineRun) -> Rows:
    """Read a run's history."""
    rows = Rows()
    for part in run.fragments:
        rows.begin(part.starting_step)
        for contents in part.history():
            rows.add(contents)
    return rows


def short(value: object) -> str:
    """A value in a few characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def chart(title: str, series: Iterable[tuple[str, int, Curve]]) -> str:
    """A chart of curves, as HTML; empty where there is nothing to draw.

    Args:
        title: What it shows.
        series: A label, the number of a colour, and the curve, for each.
    """
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
                path.append(f"{'L' if is_open else 'M'}{(x - left) / width * _SIZE:.4g},{place(y):.5g}")
                path += [] if is_open else ["h0"]  # a point alone is seen, too
            is_open = math.isfinite(y)
        dash = " stroke-dasharray='6 3'" if number >= _COLOURS else ""
        paths.append(
            f"<path class='c{number % _COLOURS}' data-s='{number}'{dash} d='{''.join(path)}'>"
            f"<title>{escape(label)}</title></path>"
        )
    marks = [(place(value), value) for value in _ticks(bottom, top, is_log)]
    lines = "".join(f"<path class='grid' d='M0,{at:.4g}h{_SIZE}'/>" for at, _ in marks)
    labels = "".join(f"<i style='top:{at / _SIZE * 100:.3g}%'>{short(value)}</i>" for at, value in marks)
    return (
        f"<figure data-x='{left:.9g} {right:.9g}' data-y='{bottom:.9g} {top:.9g} {int(is_log)}'>"
        f"<figcaption>{escape(title)}{' <small>log</small>' if is_log else ''}<output></output></figcaption>"
        f"<div class='plot'>{labels}<svg viewBox='0 0 {_SIZE} {_SIZE}' preserveAspectRatio='none' role='img'"
        f" aria-label='{escape(title)} over steps'>{lines}{''.join(paths)}</svg></div>"
        f"<div class='steps'><span>{left:g}</span><span>step</span><span>{right:g}</span></div></figure>"
    )


def _ticks(bottom: float, top: float, is_log: bool) -> list[float]:
    """Round values between two."""
    if is_log:
        first, last = math.ceil(bottom), math.floor(top)
        return [10.0**power for power in range(first, last + 1, max(1, -(-(last - first) // 5)))]
    rough = top / 4 - bottom / 4
    if not math.isfinite(rough) or rough < 1e-300:
        return [bottom, top]
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
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
