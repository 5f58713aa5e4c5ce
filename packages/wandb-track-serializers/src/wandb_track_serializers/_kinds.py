"""What a value is to the integrations: a dataset, a model, something else, or a part of the summary."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Kind = Literal["dataset", "model", "other"]

KINDS = ("dataset", "model", "other")
BASE_TYPES = (dict, list, set, frozenset, tuple, str, int, float, bool, type(None))


def kind_of(value: Any) -> Kind | Literal["summary"]:
    """Say where a value belongs, without importing any library.

    Args:
        value: Any value.

    Returns:
        "dataset", "model" or "other" for what becomes an artifact of that type; "summary" for base types and NumPy
        scalars, which `to_summary` converts.
    """
    if is_summary(value):
        return "summary"
    from ._registry import find

    return find(value)[1]


def is_summary(value: Any) -> bool:
    """Whether a value is of a base type (or a subclass of one), or a NumPy scalar."""
    return issubclass(type(value), BASE_TYPES) or is_a(value, "numpy", "generic")


def is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is an instance of a class whose module may not even be imported."""
    cls = loaded(module, name)
    return cls is not None and issubclass(type(value), cls)


def loaded(module: str, name: str) -> type | None:
    """A class of a module, if the module was imported by somebody else."""
    cls = attribute(module, name)
    return cls if isinstance(cls, type) else None


def attribute(module: str, name: str) -> Any:
    """What an imported module holds under a name; None where it is not imported.

    flytekit puts modules in place that are imported when they are first asked for anything: they are not asked.
    """
    found = sys.modules.get(module)
    return None if found is None else object.__getattribute__(found, "__dict__").get(name)


def class_name(value: Any) -> str:
    """The full name of a value's class."""
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
