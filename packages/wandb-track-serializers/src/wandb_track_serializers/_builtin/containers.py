"""Containers and base types: a JSON file that says what is where, and a folder for each value in it.

The file ``{name}.json`` holds one value: null, true, false, str, int and float as JSON has them, a list as an array,
and anything else as an object with one key: ``float`` (NaN and the infinities), ``bytes``, ``tuple``, ``set``,
``frozenset``, ``dict`` (pairs), ``path`` (that, not its files), ``numpy`` (a scalar: dtype and bytes), ``object`` (a
class, its items, its attributes), or ``value``: a manifest, whose files are in the folder of its name.

Members of base types are in a file, and not in the manifest, as W&B takes two artifacts of the same files for one.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections import OrderedDict
from importlib import import_module
from operator import attrgetter
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from wandb_track_serializers import _files, _values
from wandb_track_serializers._kinds import BASE_TYPES, Record, class_name, is_a, is_base
from wandb_track_serializers._manifest import Manifest, check_path
from wandb_track_serializers._registry import find, held
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, NotRepresentableError, UntrustedError

if TYPE_CHECKING:
    from wandb_track_serializers._kinds import Kind

_KEPT = ("manifest", "serializer", "format_version", "name", "class", "details")
"""What is kept of the manifest of a value."""
_MADE_IN_PYTHON = 1 << 9
"""The flag of a class that a `class` statement made, Py_TPFLAGS_HEAPTYPE: https://docs.python.org/3/c-api/typeobj.html"""
_MOST_VALUES = 1_000
_IN_MEMORY = 32
"""Bytes of memory that one byte of JSON can take, about."""
_HARMLESS = ("collections:OrderedDict", "sklearn.utils._bunch:Bunch")
"""Subclasses of dict that hold nothing but their items and attributes, and are built without the author's trust."""


class Container(Serializer):
    """A dict, list, tuple, NamedTuple or dataclass that holds frames, arrays, modules or estimators, each a file."""

    id = "builtins.json"
    types = (
        *(f"builtins:{cls.__name__}" for cls in BASE_TYPES),
        "types:NoneType",
        "numpy:generic",
        f"{Record.__module__}:{Record.__name__}",
    )
    kind = "other"
    format = "json"
    safe = True
    in_parts = True

    def accepts(self, value: Any) -> bool:
        """Base types, and what holds values that have a format of their own; what holds others is pickled."""
        kinds = held(value)
        return any(has_format for _, has_format in kinds) or (is_base(value) and not kinds)

    def artifact_type(self, value: Any) -> Kind:
        """A dataset if all that it holds are datasets, a model if any is one."""
        kinds = {kind for kind, _ in held(value)}
        return "model" if "model" in kinds else "dataset" if kinds == {"dataset"} else "other"

    def write(self, value: Any, target: Target) -> None:
        """Write ``{name}.json``, and a folder for each value."""
        writer = _Writer(target, is_base(value) and not held(value))
        try:
            text = json.dumps(writer.encode(value, ""), indent=None)
        except (RecursionError, ValueError) as error:
            raise NotRepresentableError(f"JSON cannot hold it: {error}") from error
        with target.open(".json") as file:
            file.write(text.encode())

    def read(self, source: Source) -> Any:
        """Read it, and each value as its own format demands."""
        try:
            source.check(_IN_MEMORY * os.fstat(source.file.fileno()).st_size)
            return _Reader(source).decode(json.load(source.file))
        except (RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise IntegrityError(f"{source.path.name!r} is not what this package writes: {error}") from error


def _slots(kind: type) -> dict[str, Any]:
    """The fields of a dataclass that are slots, which `vars` does not have."""
    fields = ((field, getattr(kind, field, None)) for field in getattr(kind, "__dataclass_fields__", ()))
    return {field: slot for field, slot in fields if isinstance(slot, MemberDescriptorType)}


def _is_known_whole(kind: type) -> bool:
    """Whether items of a dict, attributes and fields are all that an object of a class holds."""
    own = [cls for cls in kind.__mro__ if cls.__flags__ & _MADE_IN_PYTHON]
    slots = {name for cls in own for name, slot in vars(cls).items() if isinstance(slot, MemberDescriptorType)}
    return slots == _slots(kind).keys() and {*kind.__mro__} - {*own} <= {object, dict, OrderedDict}


class _Writer:
    def __init__(self, target: Target, is_plain: bool) -> None:
        self._target = target
        self._is_plain = is_plain
        self._written: dict[int, tuple[Any, Any]] = {}  # with the value, as an id is its own only as long as it lives
        self._size = 0

    def encode(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is float:
            return {"float": repr(value)}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if kind in (PosixPath, PurePosixPath, WindowsPath, PureWindowsPath):
            return {"path": [kind.__name__, str(value)]}
        is_scalar = is_a(value, "numpy", "generic") and kind.__module__ == "numpy"
        if is_scalar and value.dtype.kind in "biufcmMSU" and value.nbytes:
            return {"numpy": [value.dtype.str, base64.b64encode(value.tobytes()).decode()]}
        return self._container(value, kind, path)

    def _container(self, value: Any, kind: type, path: str) -> Any:
        if kind in (list, tuple):
            items = [self.encode(item, f"{path}.{number}") for number, item in enumerate(value)]
            return items if kind is list else {"tuple": items}
        if kind in (set, frozenset):
            return {kind.__name__: sorted((self.encode(item, path) for item in value), key=json.dumps)}
        if kind is dict:
            return {"dict": self._pairs(value, path)}
        name = f"{kind.__module__}:{kind.__qualname__}"
        if "<locals>" not in name:
            if name in _HARMLESS or (hasattr(kind, "__dataclass_fields__") and held(value)):
                items = self._pairs(value, path) if issubclass(kind, dict) else []
                if _is_known_whole(kind):
                    slots = {field: getattr(value, field) for field in _slots(kind) if hasattr(value, field)}
                    state = {**getattr(value, "__dict__", {}), **slots}
                    return {"object": [name, items, self._pairs(state, path)]}
            elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
                named = zip(kind._fields, value, strict=True)
                return {"object": [name, [self.encode(item, f"{path}.{field}") for field, item in named], []]}
        return self._value(value, path)

    def _pairs(self, items: dict[Any, Any], path: str) -> list[Any]:
        return [[self.encode(key, path), self.encode(item, f"{path}.{key}")] for key, item in dict.items(items)]

    def _value(self, value: Any, path: str) -> Any:
        if self._is_plain or not path:
            raise NotRepresentableError(f"JSON cannot hold a {class_name(value)}")
        if len(self._written) == _MOST_VALUES:
            raise NotRepresentableError(f"it holds more than {_MOST_VALUES:,} values")
        if id(value) not in self._written:
            legal = re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")[:60] or "value"
            name, number = legal, len(self._written)
            while (self._target.directory / name).exists():
                name, number = f"{legal}-{number}", number + 1
            limit = self._target.max_size
            part = Target(self._target.directory / name, name, None if limit is None else limit - self._size)
            part.directory.mkdir()
            serializers, kind = find(value)
            manifest = _values.write(value, part, [one for one in serializers if one.id != Container.id], kind)
            self._size += sum(_files.sizes(part.directory).values())
            self._target.notes += manifest.notes
            # Versions are not in the file: the same value is to give the same bytes with another Python.
            self._target.details.setdefault("versions", {}).update(manifest.versions)
            kept = {key: part for key, part in manifest.to_json().items() if key in _KEPT and part}
            self._written[id(value)] = value, {"value": kept}
        return self._written[id(value)][1]


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = source.max_size
        self._read: dict[str, Any] = {}

    def decode(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return [self.decode(item) for item in data] if isinstance(data, list) else data
        ((key, inner),) = data.items()
        if key in ("tuple", "set", "frozenset"):
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[key](map(self.decode, inner))
        if key == "dict":
            return {self.decode(name): self.decode(item) for name, item in inner}
        if key == "float":
            return float(inner)
        if key == "bytes":
            return base64.b64decode(inner)
        if key == "path":
            kinds = {kind.__name__: kind for kind in (PosixPath, PurePosixPath, WindowsPath, PureWindowsPath)}
            return kinds[inner[0]](inner[1])
        if key == "numpy":
            import numpy as np

            return np.frombuffer(base64.b64decode(inner[1]), inner[0])[0]
        return self._object(*inner) if key == "object" else self._value({"value": inner}[key])

    def _object(self, name: str, items: list[Any], attributes: list[Any]) -> Any:
        if name not in _HARMLESS and not self._source.trusted:
            raise UntrustedError(
                f"{self._source.manifest.name!r} holds a {name}, whose module would be imported. If you trust whoever"
                " wrote it, pass trusted=True",
                Container.id,
                self._source.manifest.class_name,
            )
        module, _, qualified = name.partition(":")
        cls = attrgetter(qualified)(import_module(module))
        if issubclass(cls, tuple):
            return tuple.__new__(cls, map(self.decode, items))
        made = cls.__new__(cls)
        for key, item in items:
            made[self.decode(key)] = self.decode(item)
        slots = _slots(cls)
        for key, item in attributes:
            if (attribute := self.decode(key)) in slots:
                slots[attribute].__set__(made, self.decode(item))
            else:
                vars(made)[attribute] = self.decode(item)
        return made

    def _value(self, data: dict[str, Any]) -> Any:
        name = check_path(data["name"])
        if name not in self._read:
            prefix = f"{name}/"
            listed = [file for file in self._source.manifest.files if file.path.startswith(prefix)]
            files = tuple(file._replace(path=file.path.removeprefix(prefix)) for file in listed)
            about = {"files": [], "kind": "other", "written_by": self._source.manifest.written_by}
            about["versions"] = self._source.manifest.details.get("versions", {})
            manifest = Manifest.from_json(data | about)._replace(files=files)
            folder, trusted = self._source.directory / name, self._source.trusted
            self._read[name], taken = _values.read(folder, manifest, _values.Reading(trusted, self._left), str(folder))
            self._left -= taken
        return self._read[name]
