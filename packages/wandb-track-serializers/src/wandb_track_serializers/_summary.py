"""Base types as JSON for a run's summary and config, bounded in depth and size."""

from __future__ import annotations

import json
import math
from types import FunctionType
from typing import Any

from ._kinds import class_name, is_a, loaded

MAX_SIZE = 256 << 10
"""Bytes of JSON. W&B recommends at most 1 MB a value."""
MAX_DEPTH = 16
_SMALL_ARRAY = 1_000
_MOST_BITS = 4_096
_AS_TEXT = (
    ("datetime", "date"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID"),
    ("pathlib", "PurePath"),
    ("builtins", "complex"),
)
_SHAPED = (("pandas", "DataFrame"), ("pandas", "Series"), ("numpy", "ndarray"))


def to_summary(value: Any, *, max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> Any:
    """Turn a value into JSON for a run's summary or config.

    Sets are sorted; tuples and small NumPy arrays become lists; NaN and the infinities become "NaN", "Infinity" and
    "-Infinity", which W&B reads as numbers; integers beyond 64 bits become text; keys become text. Whatever is of no
    base type is described. What is nested too deeply, refers to itself or makes the whole too large is replaced by
    a sentence that says so.

    Args:
        value: Any value.
        max_size: The most bytes of JSON, about.
        max_depth: The most levels of containers.

    Returns:
        Dictionaries with keys of type str, lists, str, int, float, bool and None. The same for the same value in
        every process.

    Raises:
        ValueError: A limit is not positive.
    """
    for name, limit in (("max_size", max_size), ("max_depth", max_depth)):
        if limit < 1:
            raise ValueError(f"{name} is {limit}: give a positive number")
    return _Converter(max_size, max_depth).convert(value, 0)


class _Converter:
    def __init__(self, max_size: int, max_depth: int) -> None:
        self._max_size = max_size
        self._max_depth = max_depth
        self._left = max_size
        self._inside: set[int] = set()

    def convert(self, value: Any, depth: int) -> Any:
        if issubclass(type(value), dict | list | tuple | set | frozenset):
            return self._container(value, depth)
        if is_a(value, "numpy", "ndarray") and value.dtype.kind in "biuf" and value.size <= _SMALL_ARRAY:
            return self.convert(value.tolist(), depth)
        leaf = _leaf(value)
        return self._text(leaf) if isinstance(leaf, str) else self._spend(leaf, len(str(leaf)))

    def _container(self, value: Any, depth: int) -> Any:
        if id(value) in self._inside:
            return self._text(f"<this {type(value).__name__} again: it refers to itself>")
        if depth >= self._max_depth:
            return self._text(f"<{class_name(value)} of {len(value):,}: deeper than {self._max_depth} levels>")
        self._inside.add(id(value))
        try:
            return self._items(value, depth)
        finally:
            self._inside.discard(id(value))

    def _items(self, value: Any, depth: int) -> Any:
        is_mapping, items = isinstance(value, dict), value
        if isinstance(value, set | frozenset):
            items = sorted(value, key=_rank)
        result: dict[Any, Any] = {}
        for number, (key, item) in enumerate(dict.items(value) if is_mapping else enumerate(items)):
            if self._left <= 0:
                left_out = f"... {len(value) - number:,} more left out: over the limit of {self._max_size:,} bytes"
                result[_free("...", result)] = left_out
                break
            if is_mapping:
                key = _free(self._text(key if type(key) is str else str(to_summary(key, max_size=1_000))), result)
            result[key] = self._spend(self.convert(item, depth + 1), 4 if is_mapping else 2)
        return result if is_mapping else list(result.values())

    def _text(self, text: str) -> str:
        text = text.encode(errors="backslashreplace").decode()  # half of a surrogate pair is no UTF-8
        room = max(self._left, 0)
        if len(text) > room:
            text = f"{text[:room]}... ({len(text):,} characters)"
        return str(self._spend(text, len(text) + 2))

    def _spend(self, result: Any, size: int) -> Any:
        self._left -= size
        return result


def _leaf(value: Any) -> str | float | None:
    """What is no container, as JSON; of no base type as text, or described."""
    kind = type(value)  # not isinstance, which asks the value itself: a mock claims to be what it stands for
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        number = int.__index__(value)
        bits = number.bit_length()
        return number if bits < 64 else str(number) if bits <= _MOST_BITS else f"<an integer of {bits:,} bits>"
    if issubclass(kind, float):
        real = float.__float__(value)
        return real if math.isfinite(real) else "NaN" if math.isnan(real) else f"{'-' * (real < 0)}Infinity"
    if is_a(value, "numpy", "generic"):
        item = float(value) if value.dtype.kind == "f" else value.item()  # a long double is its own item
        return _leaf(item) if type(item) in (bool, int, float, str) else str(value)
    if is_a(value, "enum", "Enum"):
        return f"{kind.__name__}.{value.name}"
    if any(is_a(value, *known) for known in _AS_TEXT):
        return value.isoformat() if is_a(value, "datetime", "datetime") else str(value)
    return _description(value)


def _free(name: str, taken: dict[str, Any]) -> str:
    """A key that is not taken: 1 and "1" are two keys in Python, and one in JSON."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def _rank(item: Any) -> tuple[Any, ...]:
    """Where an item of a set stands: numbers, then text, then everything else by its JSON."""
    if isinstance(item, int | float):
        return (1,) if item != item else (0, item)  # NaN is in no order with the others
    if isinstance(item, str):
        return (2, str.__str__(item))
    return (3, json.dumps(to_summary(item, max_size=10_000)))


def _description(value: Any) -> str:
    """What a value is, without running any code of its class."""
    about = ""
    if isinstance(value, bytes | bytearray):
        about = f" of {len(value):,} bytes"
    elif any(type(value) is loaded(*shaped) for shaped in _SHAPED):
        about = f" of shape {tuple(value.shape)}"
    elif isinstance(value, type | FunctionType):
        about = f" {value.__qualname__}"
    return f"<{class_name(value)}{about}>"
