"""Where Flyte keeps a value, and what is in it: the literals of lists, dictionaries and records, and their notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import msgpack
from flytekit.core.context_manager import FlyteContextManager
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from wandb_track_serializers import Location

from ._context import filesystem

NOTE = "wandb_track"
"""The key in a literal's metadata that names a version: "entity/project/name:alias". The key for a file in a record,
such as a dataclass, ends with where it is."""
FILES = FlyteFile | FlyteDirectory | StructuredDataset
BASE = {str, int, float, bool, NoneType}
versions: dict[str, str] = {}
"""What this process has logged, by the alias that follows from the URI of its literal."""


class Kept(NamedTuple):
    """Where Flyte keeps the bytes of a value.

    Attributes:
        uri: Empty where the literal holds the value itself, or is not at hand.
        format: As flytekit names it.
        literal: That of the value, or of the record that it is in.
        key: That of the note in the literal's metadata.
    """

    uri: str = ""
    format: str = ""
    literal: Any = None
    key: str = NOTE

    @classmethod
    def of(cls, literal: Any) -> Kept:
        """Where the value of a literal is."""
        scalar = getattr(literal, "scalar", None)
        if blob := getattr(scalar, "blob", None):
            return cls(str(blob.uri or ""), blob.metadata.type.format, literal)
        if frame := getattr(scalar, "structured_dataset", None):
            return cls(str(frame.uri or ""), frame.metadata.structured_dataset_type.format or "parquet", literal)
        return cls(literal=literal)

    @property
    def is_frame(self) -> bool:
        """Whether Flyte keeps it as a StructuredDataset."""
        return bool(self.uri and self.literal.scalar and self.literal.scalar.structured_dataset)

    @property
    def is_new(self) -> bool:
        """Whether the URI is new with each attempt: below its own raw-output prefix."""
        access = FlyteContextManager.current_context().file_access
        return self.uri.startswith(str(access.raw_output_prefix).rstrip("/") + "/")

    @property
    def location(self) -> Location:
        """Its files."""
        uri = self.uri if "://" in self.uri else Path(self.uri).absolute().as_uri()
        return Location(uri, filesystem=filesystem())

    def alias(self, location: Location) -> str:
        """The alias of the version whose bytes are there; with their ETag where they may be written again."""
        state = "" if self.is_new else " ".join(f"{file.digest} {file.size}" for file in location.find())
        return alias_of(self.uri, state)

    def note(self, reference: str) -> None:
        """Note which version the value has become, for the tasks that take it."""
        if self.uri and reference:
            if self.is_new:
                self.literal.set_metadata({**(self.literal.metadata or {}), self.key: reference})
            versions[self.alias(self.location)] = reference


def note(literal: Any, references: Sequence[str]) -> None:
    """Note in a literal which versions its parts have become."""
    parts = [Kept.of(one) for one in _walk(literal)]
    for kept, reference in zip(parts, references, strict=False) if len(parts) == len(references) else ():
        kept.note(reference)


def alias_of(uri: str, digest: str = "") -> str:
    """The alias of the version whose bytes Flyte keeps at a URI; with their ETag where they may be written again."""
    return f"flyte-{sha256(f'{uri} {digest}'.strip().encode()).hexdigest()[:16]}"


def sources(value: Any, literal: Any) -> Iterator[tuple[Kept, str]]:
    """Where Flyte keeps an input, or what is in it, each with the version that is noted there."""
    for part, _, kept in parts(value, literal):
        # Without a literal, a file has the metadata itself, except with older flytekits; those of a frame are columns.
        has_own = kept.literal is None and isinstance(part, FlyteFile)
        metadata = getattr(part if has_own else kept.literal, "metadata", None) or {}
        uri = kept.uri or (uri_of(part) if isinstance(part, FILES) else "")
        note = metadata.get(kept.key, "")
        if uri or note:
            yield kept._replace(uri=uri), note


def parts(value: Any, literal: Any) -> Iterator[tuple[Any, str, Kept]]:
    """A value, or what is in lists and dictionaries of values with URIs of their own, and the files in a record.

    Yields:
        The part, what is added to its name, and where Flyte keeps it.
    """
    if (scalar := getattr(literal, "scalar", None)) and scalar.union:
        literal = scalar.union.value
    uris = [kept.uri for kept in map(Kept.of, _walk(literal)) if kept.uri]
    if isinstance(value, Iterator):  # read to its end, or not read yet: Flyte knows what it holds
        if not uris:
            return
        value = [Path(uri) for uri in uris] if literal.collection else Path(uris[0])
    is_apart = uris and (literal.collection or literal.map)
    is_apart = is_apart or (literal is None and any(isinstance(leaf, FILES | Path) for leaf in leaves(value)))
    members = _members(value, with_base=True) if is_apart else []
    for key, part in members:
        for inner, suffix, its in parts(part, _member(literal, key)):
            yield inner, f"_{key}{suffix}", its
    if not members:
        own = Kept.of(literal)
        yield value, "", own
        if not own.uri:
            yield from _in_records(value, literal)


def _in_records(value: Any, literal: Any, stored: Any = None, suffix: str = "") -> Iterator[tuple[Any, str, Kept]]:
    """The files in records, with where Flyte keeps them: their URIs are in what it has stored as the record."""
    if stored is None and (binary := getattr(getattr(literal, "scalar", None), "binary", None)):
        stored = msgpack.unpackb(binary.value)
    for name, part in fields_of(value) or _members(value):
        one, place = _stored(stored, name), f"{suffix}_{name}"
        if isinstance(part, FILES):
            uri = str(_stored(one, "path") or _stored(one, "uri") or "")
            yield part, place, Kept(uri, str(_stored(one, "file_format") or ""), literal, f"{NOTE}{place}")
        else:
            yield from _in_records(part, literal if stored else _member(literal, name), one, place)


def _walk(literal: Any) -> Iterator[Any]:
    """The literals in lists and dictionaries, without the numbers and the text, of which there may be millions."""
    scalar = getattr(literal, "scalar", None)
    if scalar is None:
        inside = getattr(literal, "collection", None) or getattr(literal, "map", None)
        literals = getattr(inside, "literals", ())
        for one in literals.values() if isinstance(literals, dict) else literals:
            yield from _walk(one)
    elif scalar.union is not None:
        yield from _walk(scalar.union.value)
    elif scalar.primitive is None:
        yield literal


def uri_of(value: Any) -> str:
    """Where a file, folder or frame of Flyte's is, as far as the value itself tells."""
    return str(value.uri or "" if isinstance(value, StructuredDataset) else value.remote_source or value.path)


def fields_of(value: Any) -> list[tuple[str, Any]]:
    """What is in a dataclass or a pydantic model."""
    names = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "model_fields", None) or ()
    return [(name, getattr(value, name)) for name in names]


def leaves(value: Any) -> Iterator[Any]:
    """A value, or what is in lists, tuples and dictionaries."""
    members = _members(value)
    for _, part in members:
        yield from leaves(part)
    if not members:
        yield value


def _members(value: Any, with_base: bool = False) -> list[tuple[Any, Any]]:
    """What is in a list, tuple or dictionary, by place or key; nothing where a list holds base types alone."""
    if isinstance(value, dict):
        return list(value.items())
    is_list = isinstance(value, list | tuple) and (with_base or not BASE.issuperset(map(type, value)))
    return list(enumerate(value)) if is_list else []


def _member(literal: Any, key: Any) -> Any:
    """What is in a literal's list or dictionary; None where there is none."""
    with suppress(LookupError, AttributeError):
        return literal.collection.literals[key] if literal.collection else literal.map.literals[key]
    return None


def _stored(stored: Any, key: Any) -> Any:
    with suppress(LookupError, TypeError):
        return stored[key]
    return None
