"""Find the part of a value that cannot be pickled, by pickling it again and watching."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any

from ._kinds import is_a

_MOST_PARTS = 200_000
"""About a second of watching; a value of more parts gets an error without a part."""

_LEAVES = (("torch", "Tensor"), ("polars", "DataFrame"))
"""Classes that copy all that they hold when they are pickled; those of NumPy, pandas and Arrow hand it over."""


def failing_part(value: Any, name: str) -> str | None:
    """Say where in a value pickling fails.

    Args:
        value: A value that does not pickle.
        name: What to call it.

    Returns:
        An expression such as ``model.hooks[3]``; None where it is the value itself, or was not found.
    """
    search = _Search(SimpleNamespace(write=len), protocol=5, buffer_callback=lambda buffer: None)
    try:
        search.dump(value)
    except _GaveUp:
        return None
    except Exception as error:
        frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "save"]
        part = _expression([one.f_locals["obj"] for one in frames if one.f_locals.get("self") is search], name)
        return None if part == name else part
    return None


class _GaveUp(Exception):  # noqa: N818 (a signal, not an error)
    pass


# The Python implementation, as only there the traceback holds what was being pickled.
class _Search(pickle._Pickler):
    parts = 0

    def persistent_id(self, obj: Any) -> str | None:
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise _GaveUp
        return "leaf" if any(is_a(obj, *leaf) for leaf in _LEAVES) else None


def _expression(stack: list[Any], name: str) -> str:
    """The way from the first object of a stack to the last that a user would recognise."""
    text, parent = name, stack[0]
    for child in stack[1:]:  # some of which pickle made itself, such as the dict of an object's attributes
        step = next((step for step, part in _parts(parent) if part is child), None)
        if step is not None:
            text, parent = text + step, child
    return text


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, each with the expression for it."""
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("{...}", part) for part in value)
    yield from ((f".{name}", part) for name, part in getattr(value, "__dict__", {}).items())
    for cls in type(value).__mro__:
        yield from ((f".{slot}", getattr(value, slot, None)) for slot in getattr(cls, "__slots__", ()))
