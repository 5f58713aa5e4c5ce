"""Which serializer takes a value, and which one wrote a file.

A serializer's module is only imported when the library of its values is there already, or when files ask for it.
The same holds for plug-ins: the name of their entry point is the serializer's id.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any

from ._kinds import KINDS, Record, class_name, is_a, is_base, leaves, loaded

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from typing import Literal

    from ._kinds import Kind
    from ._serializer import Serializer

GROUP = "wandb_track.serializers"
"""The entry-point group of plug-ins."""

_BUILTIN = {
    "builtins.json": "containers:Container",
    "builtins.pickle": "pickles:Pickle",
    "pathlib.files": "paths:PathFiles",
    "pandas.parquet": "pandas:PandasParquet",
    "polars.parquet": "polars:PolarsParquet",
    "pyarrow.parquet": "arrow:ArrowParquet",
    "numpy.npy": "numpy:NumpyFile",
    "torch.module": "torch:TorchModule",
    "torch.safetensors": "torch:TorchState",
    "sklearn.pickle": "sklearn:SklearnPickle",
    "sklearn.skops": "sklearn:SklearnSkops",
}

_log = logging.getLogger("wandb_track_serializers")


_lock = RLock()
_serializers: dict[str, Serializer] = {}
_pending: dict[str, EntryPoint] | None = None
"""What is not imported yet, by id; None until plug-ins were looked for."""


def register(serializer: Serializer | type[Serializer]) -> None:
    """Add a serializer for this process. A distribution's own belong in the entry-point group instead.

    Of several for one class the last that was registered is asked first, and this package's own last.

    Args:
        serializer: A subclass of `Serializer`, or an instance of one.

    Raises:
        RegistrationError: It is no serializer, or its id is taken.
    """
    from .errors import RegistrationError

    new = _checked(serializer)
    with _lock:
        looks_for_plugins = _pending is not None or new.id in _BUILTIN  # which reads what all distributions state
        old = by_id(new.id) if looks_for_plugins else _serializers.get(new.id)
        if old is not None and type(old) is not type(new):
            raise RegistrationError(f"the id {new.id!r} is taken by {class_name(old)}: choose another")
        _serializers[new.id] = new


def by_id(id: str) -> Serializer | None:
    """The serializer that has this id; None where there is none."""
    with _lock:
        _load(lambda pending: pending == id)
        return _serializers.get(id)


def _candidates(value: Any) -> list[Serializer]:
    """Serializers that accept a value: the most derived class first, for one class the last that was registered."""
    with _lock:
        _load(lambda id: id.partition(".")[0] in sys.modules)
        serializers = sorted(_serializers.values(), key=lambda one: one.id not in _BUILTIN)[::-1]
    classes: list[type | None] = list(type(value).__mro__)
    if hasattr(type(value), "__dataclass_fields__"):
        classes.insert(-1, Record)
    homes = [(loaded(*name.split(":")), serializer) for serializer in serializers for name in serializer.types]
    ranked = sorted((classes.index(cls), n) for n, (cls, _) in enumerate(homes) if cls in classes)
    return [serializer for _, n in ranked if _accepts(serializer := homes[n][1], value)]


def _load(wanted: Callable[[str], bool]) -> None:
    global _pending
    if _pending is None:
        _pending = _entry_points()
    for id in filter(wanted, list(_pending)):
        _take(_pending.pop(id))


def _take(point: EntryPoint) -> None:
    from .errors import RegistrationError

    try:
        serializer = _checked(point.load())
        if serializer.id != point.name:
            raise RegistrationError(f"its entry point is named {point.name!r}, but its id is {serializer.id!r}")
        if point.dist:
            serializer.distribution = _distribution(point)
        register(serializer)
    except (Exception, SystemExit) as error:
        reason = error if isinstance(error, RegistrationError) else f"it failed with {class_name(error)}: {error}"
        _log.warning("plug-in %r of %s is not used: %s", point.name, _distribution(point), reason)


def _entry_points() -> dict[str, EntryPoint]:
    """This package's own serializers and the installed plug-ins, by id; none of them is imported yet."""
    from importlib.metadata import EntryPoint, entry_points

    found = {id: EntryPoint(id, f"{__package__}._builtin.{home}", GROUP) for id, home in _BUILTIN.items()}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name in found:
            reason = "its name is another serializer's"
            _log.warning("plug-in %r of %s is not used: %s", point.name, _distribution(point), reason)
        else:
            found[point.name] = point
    return found


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def serializer_for(value: Any, format: str | None = None) -> Serializer:
    """Say which serializer a value is written with.

    Args:
        value: Any value.
        format: The format to use, such as "safetensors"; None for the usual one.

    Returns:
        The serializer; the one that pickles where no other takes the value.

    Raises:
        ValueError: Values of this class cannot be written in this format.
    """
    return find(value, format)[0][0]


def kind_of(value: Any) -> Kind | Literal["summary"]:
    """Say where a value belongs, without importing any library.

    Args:
        value: Any value.

    Returns:
        "dataset", "model" or "other" for what becomes an artifact of that type; "summary" for base types and NumPy
        scalars, which `to_summary` converts. A dict, list or tuple that holds frames, arrays, modules or estimators
        is an artifact, of the type of what it holds.
    """
    return "summary" if is_base(value) and not held(value) else find(value)[1]


def held(value: Any) -> set[tuple[Kind, bool]]:
    """What a container holds that makes an artifact of it: types of artifacts, and whether they have a format."""
    kinds = set()
    for leaf in leaves(value):
        if not is_base(leaf):
            (serializer, *_), kind = find(leaf)
            has_format = serializer.id not in ("builtins.pickle", "pathlib.files")
            if has_format or is_a(leaf, "torch", "Tensor") or is_a(leaf, "numpy", "ndarray"):
                kinds.add((kind, has_format))
    return kinds


def find(value: Any, format: str | None = None) -> tuple[list[Serializer], Kind]:
    """The serializers to try for a value, in order, and the type of its artifact; see `serializer_for`."""
    candidates = _candidates(value)
    usual = [serializer for serializer in candidates if not serializer.on_request]
    kind = usual[0].artifact_type(value)
    if format is None:
        return usual, kind
    asked = [serializer for serializer in candidates if serializer.format == format][:1]
    if not asked:
        known = ", ".join(dict.fromkeys(repr(serializer.format) for serializer in candidates))
        raise ValueError(f"format {format!r} is not for values of type {class_name(value)}; there is {known}")
    return [*asked, *(serializer for serializer in usual if serializer is not asked[0])], kind


def _accepts(serializer: Serializer, value: Any) -> bool:
    try:
        return serializer.accepts(value)
    except Exception as error:
        _log.warning(
            "serializer %r is passed over: accepts() failed with %s: %s", serializer.id, class_name(error), error
        )
        return False


def _checked(serializer: Any) -> Serializer:
    from ._serializer import Serializer
    from .errors import RegistrationError

    if isinstance(serializer, type) and issubclass(serializer, Serializer):
        serializer = serializer()
    if not isinstance(serializer, Serializer):
        raise RegistrationError(
            f"serializer is of type {class_name(serializer)}: give a subclass of wandb_track_serializers.Serializer"
        )
    types: object = getattr(serializer, "types", None)
    has_types = isinstance(types, tuple) and bool(types) and all(":" in reference for reference in types)
    has_names = all(getattr(serializer, name, None) for name in ("id", "format"))
    if not (has_types and has_names and serializer.kind in KINDS):
        raise RegistrationError(
            f"{class_name(serializer)} must have an id, a format, a kind ({', '.join(KINDS)}), and types: a tuple of"
            " 'module:class'"
        )
    return serializer
