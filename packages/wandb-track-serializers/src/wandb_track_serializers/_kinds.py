"""What a value is, told by its class alone: no library is imported for it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Literal

    Kind = Literal["dataset", "model", "other"]

KINDS = ("dataset", "model", "other")
BASE_TYPES = (dict, list, set, frozenset, tuple, str, int, float, bool, type(None))
_MOST_CONTAINERS = 10_000
"""How many containers within a value are looked into."""


class Record:
    """Stands for dataclasses among the classes that a serializer names."""


def is_base(value: Any) -> bool:
    """Whether a value is of a base type (or a subclass of one), or a NumPy scalar; whatever it holds."""
    return issubclass(type(value), BASE_TYPES) or is_a(value, "numpy", "generic")


def is_container(kind: type) -> bool:
    """Whether values of a class hold others: a dict, list, tuple, set or dataclass."""
    return issubclass(kind, dict | list | tuple | set | frozenset) or hasattr(kind, "__dataclass_fields__")


def members(value: Any) -> list[Any]:
    """What a container holds; nothing where it is none."""
    if issubclass(type(value), dict):
        return list(dict.values(value))
    if issubclass(type(value), list | tuple | set | frozenset):
        return list(value)
    return [getattr(value, name, None) for name in getattr(type(value), "__dataclass_fields__", ())]


def leaves(value: Any) -> Collection[Any]:
    """One value of each class that stands anywhere within a container, which can refer to itself."""
    found: dict[type, Any] = {}
    pending, seen = [value], set[int]()
    while pending and len(seen) < _MOST_CONTAINERS:
        inside = members(container := pending.pop())
        if id(container) not in seen:
            seen.add(id(container))
            for kind, item in dict(zip(map(type, inside), inside, strict=True)).items():
                if is_container(kind):
                    pending += [one for one in inside if type(one) is kind]
                else:
                    found.setdefault(kind, item)
    return found.values()


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
