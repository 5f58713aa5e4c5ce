"""Find the part of a value that cannot be pickled, by pickling it again and watching."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
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
    watch = _Watch(SimpleNamespace(write=len), protocol=5, buffer_callback=lambda buffer: None)
    try:
        watch.dump(value)
    except Exception:
        part = _expression(watch.stack, name)
        return None if part == name else part
    return None


class _GaveUp(Exception):  # noqa: N818 (a signal, not an error)
    pass


# The Python implementation, as only there `save` can be watched; the fast one has reported the failure already.
class _Watch(pickle._Pickler):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stack: list[Any] = []
        self._parts = 0

    def persistent_id(self, obj: Any) -> str | None:
        return "leaf" if any(is_a(obj, *leaf) for leaf in _LEAVES) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            self.stack.clear()
            raise _GaveUp
        self.stack.append(obj)
        result = super().save(obj, save_persistent_id)  # type: ignore[misc]
        self.stack.pop()
        return result


def _expression(stack: list[Any], name: str) -> str | None:
    """The way from the first object of a stack to the last that a user would recognise."""
    if not stack:
        return None
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
