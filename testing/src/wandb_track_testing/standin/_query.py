"""The filters and orders of lists, as the public API writes them: MongoDB's operators over dotted names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")
_MISSING = object()


def _look_up(document: Mapping[str, Any], name: str) -> Any:
    value: Any = document
    # Both ``config.lr`` and ``config.lr.value`` are used for a configuration value.
    name = name.removesuffix(".value") if name.startswith("config.") else name
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _comparison(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not _MISSING and value is not None and test(value, wanted)


def _equals(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) and not isinstance(wanted, list):
        return wanted in value
    return bool((None if value is _MISSING else value) == wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda value, wanted: not _equals(value, wanted),
    "$in": lambda value, wanted: any(_equals(value, one) for one in wanted),
    "$nin": lambda value, wanted: not any(_equals(value, one) for one in wanted),
    "$exists": lambda value, wanted: (value is not _MISSING) == bool(wanted),
    "$gt": _comparison(lambda value, wanted: bool(value > wanted)),
    "$gte": _comparison(lambda value, wanted: bool(value >= wanted)),
    "$lt": _comparison(lambda value, wanted: bool(value < wanted)),
    "$lte": _comparison(lambda value, wanted: bool(value <= wanted)),
    "$regex": _comparison(lambda value, wanted: re.search(wanted, str(value)) is not None),
    "$contains": _comparison(lambda value, wanted: wanted in value),
}


def matches(document: Mapping[str, Any], filters: str | Mapping[str, Any] | None) -> bool:
    """Whether a document passes a filter.

    Raises:
        ValueError: The filter has an operator that is not known here.
    """
    if isinstance(filters, str):
        filters = json.loads(filters)
    return all(_passes(document, name, wanted) for name, wanted in (filters or {}).items())  # type: ignore[union-attr]


def _passes(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(matches(document, part) for part in wanted)
    if name == "$or":
        return any(matches(document, part) for part in wanted)
    if name == "$not":
        return not matches(document, wanted)
    value = _look_up(document, name)
    if isinstance(wanted, Mapping) and wanted and all(key.startswith("$") for key in wanted):
        unknown = set(wanted) - set(_OPERATORS)
        if unknown:
            raise ValueError(f"unknown operators {sorted(unknown)} in a filter on {name!r}")
        return all(_OPERATORS[operator](value, operand) for operator, operand in wanted.items())
    return _equals(value, wanted)


def ordered(items: Sequence[_T], order: str | None, document: Callable[[_T], Mapping[str, Any]]) -> list[_T]:
    """Items in an order such as ``-created_at``; what lacks the value comes last."""
    if not order:
        return list(items)
    name = order.lstrip("+-")
    present = [item for item in items if _look_up(document(item), name) not in (_MISSING, None)]
    absent = [item for item in items if item not in present]
    present.sort(key=lambda item: _look_up(document(item), name), reverse=order.startswith("-"))
    return present + absent
