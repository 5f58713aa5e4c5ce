"""What a task takes and gives is on its run: parameters, artifacts, and exact links from one task to the next.

The producer notes the version of each artifact in the metadata of the output's literal, which Flyte passes on with
the value: through a workflow, in lists and dictionaries, and from the cache. The platform's cache compares whole
literals, so only those are noted that are new with each attempt: their URI is below its own raw-output prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from enum import Enum
from hashlib import sha256
from inspect import isgenerator
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgpack  # type: ignore[import-untyped]
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.promise import Promise
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from wandb_track_core.adapters import fuse, notify, use_artifact

from ._context import filesystem, is_in_container

if TYPE_CHECKING:
    from wandb_track_serializers import Capture, Location

NOTE = "wandb_track"
"""The key in a literal's metadata that names a version: "entity/project/name:alias". The key for a file in a record,
such as a dataclass, ends with where it is."""
_FORMATS = {"PythonPickle": "builtins.pickle", "PyTorchModule": "torch.module"}
"""What reads a literal, by the format that flytekit names in it."""
_BASE = {str, int, float, bool, NoneType}
_FILES = FlyteFile | FlyteDirectory | StructuredDataset
_WAIT = 10
"""Seconds that a task waits for the server to have the reference to an input."""
_versions: dict[str, str] = {}
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
    def is_new(self) -> bool:
        """Whether the URI is new with each attempt: below its own raw-output prefix."""
        access = FlyteContextManager.current_context().file_access
        return self.uri.startswith(str(access.raw_output_prefix).rstrip("/") + "/")

    @property
    def location(self) -> Location:
        """Its files."""
        from wandb_track_serializers import Location

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
            _versions[self.alias(self.location)] = reference


class Values(NamedTuple):
    """Puts a task's inputs and outputs on its run.

    Attributes:
        capture: What becomes an artifact.
        parameters: Whether base types become config and summary.
        entity: The entity of the run, for links that are read elsewhere.
        name: The function's name.
    """

    capture: Capture
    parameters: bool
    entity: str
    name: str

    def begin(self, run: Any, inputs: Mapping[str, Any], literals: Any) -> None:
        """Note the inputs on an open run.

        Args:
            run: The task's run.
            inputs: The function's arguments by name.
            literals: The `LiteralMap` that they came from; None where it is not at hand.
        """
        from wandb_track_serializers import to_summary

        given = getattr(literals, "literals", None) or {}
        with fuse("noting the task's inputs"):
            for name, value in inputs.items() if self.parameters else ():
                if not _holds_files(value) and self.capture.decide(name, value := _plain(value)).kind == "summary":
                    key, shown = f"parameter_{name}" if name == "flyte" else name, to_summary(value)
                    if key not in run.config:
                        run.config.update({key: shown})
                    elif run.config[key] != shown:  # an earlier attempt of a run that goes on has noted the same
                        notify(f"input {name!r} is not in the config, because config= has something else of this name")
        with fuse("linking the task's inputs"):
            for name, value in inputs.items():
                for kept, notes in _sources(value, given.get(name)) if self.capture.shows(name) else ():
                    self._link(run, name, kept, notes)

    def end(self, run: Any, returned: Any, interface: Any, literals: Mapping[str, Any]) -> list[str]:
        """Log the outputs with a run that is still open, and note their versions in their literals.

        Args:
            run: The task's run.
            returned: What the function returned.
            interface: The task's Python interface.
            literals: Those of the outputs, as far as they are at hand.

        Returns:
            The version that each part of the outputs has become; "" for none.
        """
        types: dict[str, Any] = interface.outputs or {}
        is_one = len(types) == 1 and not (interface.output_tuple_name and isinstance(returned, tuple))
        values = [returned] if is_one else list(returned or ())
        references = []
        for position, (name, value) in enumerate(zip(types, values, strict=False)):
            is_named = name != f"o{position}"
            shown = name if is_named else self.name if len(types) == 1 else f"{self.name}_{name}"
            for part, suffix, kept in _parts(_typed(value, types[name]), literals.get(name)):
                references.append("")
                with fuse(f"logging output {name!r}"):
                    references[-1] = self._log(run, f"{shown}{suffix}", part, kept)
                    kept.note(references[-1])
        return references

    def _link(self, run: Any, name: str, kept: Kept, notes: Sequence[str]) -> None:
        try:
            for reference in filter(None, notes or [self._version(run, name, kept)]):
                use_artifact(run, *reference.rsplit(":", 1))
        except Exception as error:
            notify(f"input {name!r} could not be linked: {' '.join(str(error).split())}")

    def _version(self, run: Any, name: str, kept: Kept) -> str:
        """What this process has logged of a URI; else a reference to an input that no tracked task has produced."""
        from wandb_track_serializers import SerializerError, log_value

        location = kept.location
        is_given = self.capture.datasets and kept.format not in _FORMATS
        is_given = is_given and not (location.local and is_in_container())
        if not _versions and not is_given:
            return ""
        try:
            location = location._replace(files=location.find())
        except SerializerError:
            if is_given:
                raise
            return ""
        alias = kept.alias(location)
        if alias in _versions or not is_given:
            return _versions.get(alias, "")
        artifact = log_value(run, f"{self.name}_{name}", None, [alias], storage=location)
        if artifact is None:
            return ""
        if not run.offline:
            artifact.wait(_WAIT)
        return self._reference(run, artifact, alias)

    def _reference(self, run: Any, artifact: Any, alias: str) -> str:
        version = f"{artifact.name.partition(':')[0]}:{alias}"
        return "/".join(part for part in (self.entity or run.entity, run.project, version) if part)

    def _log(self, run: Any, name: str, value: Any, kept: Kept) -> str:
        """Log one value; returns its version, or "" where there is none."""
        if not _is_here(value):
            return ""
        value = _plain(value)
        kind, reason, is_expected = self.capture.decide(name, value)
        if kind is None and not is_expected:
            notify(reason)
        if kind is None or (kind == "summary" and not self.parameters):
            return ""
        from wandb_track_serializers import SerializerError, log_value, serializer_for

        storage: Any = "copy"
        is_elsewhere = isinstance(value, Path) and not value.exists()  # such as a file that is only passed on
        try:
            alias = kept.alias(kept.location) if kept.uri else ""
            if alias and kind != "summary" and (is_elsewhere or self.capture.storage == "reference"):
                is_frame = kept.format == "parquet" and not isinstance(value, Path)
                reader = serializer_for(value).id if is_frame else _FORMATS.get(kept.format, "pathlib.files")
                class_name = f"{type(value).__module__}.{type(value).__qualname__}"
                storage = kept.location._replace(kind=kind, serializer=reader, class_name=class_name)
            artifact = log_value(
                run,
                name,
                value,
                [alias] if alias else lambda made: [f"md5-{made.digest}"],
                max_size=self.capture.max_size,
                storage=storage,
                in_container=is_in_container(),
            )
        except SerializerError as error:
            notify(f"not logged: {name}: {error}")
            return ""
        return self._reference(run, artifact, alias or f"md5-{artifact.digest}") if artifact else ""


def note(literal: Any, references: Sequence[str]) -> None:
    """Note in a literal which versions its parts have become."""
    parts = [Kept.of(one) for one in _walk(literal)]
    for kept, reference in zip(parts, references, strict=False) if len(parts) == len(references) else ():
        kept.note(reference)


def alias_of(uri: str, digest: str = "") -> str:
    """The alias of the version whose bytes Flyte keeps at a URI; with their ETag where they may be written again."""
    return f"flyte-{sha256(f'{uri} {digest}'.strip().encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    """A value as the serializers know it: Flyte's own files, folders and frames by what they hold."""
    if isinstance(value, FlyteFile | FlyteDirectory):
        return Path(str(value.path))
    if isinstance(value, StructuredDataset):
        return value.dataframe
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | timedelta):
        from wandb_track_serializers import to_summary

        return to_summary(value)
    if type(value) is list:
        return value if _BASE.issuperset(map(type, value)) else [_plain(part) for part in value]
    if type(value) is dict:
        return {key: _plain(part) for key, part in value.items()}
    # Flyte keeps a field in the record, and of a file only where it is.
    parts = ((name, _uri(part) if isinstance(part, _FILES) else _plain(part)) for name, part in _fields(value))
    return dict(parts) or value


def _uri(value: Any) -> str:
    """Where a file, folder or frame of Flyte's is, as far as the value itself tells."""
    return str(value.uri or "" if isinstance(value, StructuredDataset) else value.remote_source or value.path)


def _fields(value: Any) -> list[tuple[str, Any]]:
    """What is in a dataclass or a pydantic model."""
    names = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "model_fields", None) or ()
    return [(name, getattr(value, name)) for name in names]


def _members(value: Any) -> list[tuple[Any, Any]]:
    """What is in a list, tuple or dictionary, by place or key; nothing where that is base types alone."""
    if isinstance(value, dict):
        return list(value.items())
    is_list = isinstance(value, list | tuple) and not _BASE.issuperset(map(type, value))
    return list(enumerate(value)) if is_list else []


def _leaves(value: Any, with_records: bool = False) -> Iterator[Any]:
    """A value, or what is in lists, tuples and dictionaries."""
    members = _members(value)
    if with_records and not isinstance(value, _FILES):
        members = members or _fields(value)
    for _, part in members:
        yield from _leaves(part, with_records)
    if not members:
        yield value


def _holds_files(value: Any) -> bool:
    """Whether a value is a file, folder or frame of Flyte's, or holds one: no parameter."""
    return any(isinstance(leaf, _FILES) for leaf in _leaves(value))


def _is_here(value: Any) -> bool:
    """False for what another task makes or has made: a promise in a dynamic task, a frame that is only passed on."""
    return not any(
        isinstance(leaf, Promise) or (isinstance(leaf, StructuredDataset) and leaf.dataframe is None)
        for leaf in _leaves(value)
    )


def _sources(value: Any, literal: Any) -> Iterator[tuple[Kept, list[str]]]:
    """Where Flyte keeps an input, or what is in it, each with the versions that are noted there."""
    found = [(Kept.of(one), one.metadata) for one in _walk(literal)]
    if not any(kept.uri or metadata for kept, metadata in found):
        files = [leaf for leaf in _leaves(value, with_records=True) if isinstance(leaf, _FILES)]
        # The metadata of a frame is its columns; of a file it is that of its literal, which older flytekits leave out.
        found = [(Kept(_uri(file)), isinstance(file, FlyteFile) and getattr(file, "metadata", None)) for file in files]
    for kept, metadata in found:
        notes = [note for key, note in (metadata or {}).items() if key.startswith(NOTE)]
        if kept.uri or notes:
            yield kept, notes


def _typed(value: Any, kind: Any) -> Any:
    """A str that its declared type makes a file or folder of, as a Path; also in lists and dictionaries."""
    while kinds := [one for one in get_args(kind) if one is not NoneType and (isinstance(one, type) or get_args(one))]:
        kind = kinds[-1]
    if not (isinstance(kind, type) and issubclass(kind, FlyteFile | FlyteDirectory)):
        return value
    if isinstance(value, list):
        return [_typed(part, kind) for part in value]
    if isinstance(value, dict):
        return {key: _typed(part, kind) for key, part in value.items()}
    return Path(value) if isinstance(value, str) else value


def _parts(value: Any, literal: Any) -> Iterator[tuple[Any, str, Kept]]:
    """A value, or what is in lists and dictionaries of values with URIs of their own, and the files in a record.

    Yields:
        The part, what is added to its name, and where Flyte keeps it.
    """
    if (scalar := getattr(literal, "scalar", None)) and scalar.union:
        literal = scalar.union.value
    kept = [Kept.of(one) for one in _walk(literal)]
    if isgenerator(value):  # it was read to its end: what is left of it is what Flyte keeps
        paths = [Path(one.uri) for one in kept if one.uri]
        if not paths:
            return
        value = paths if literal.collection else paths[0]
    is_apart = any(one.uri for one in kept) and (literal.collection or literal.map)
    is_apart = is_apart or (literal is None and any(isinstance(leaf, _FILES | Path) for leaf in _leaves(value)))
    members = _members(value) if is_apart else []
    for key, part in members:
        for inner, suffix, its in _parts(part, _member(literal, key)):
            yield inner, f"_{key}{suffix}", its
    if not members:
        own = Kept.of(literal)
        yield value, "", own
        if not own.uri:
            yield from _in_records(value, literal)


def _member(literal: Any, key: Any) -> Any:
    """What is in a literal's list or dictionary; None where there is none."""
    with suppress(LookupError, AttributeError):
        return literal.collection.literals[key] if literal.collection else literal.map.literals[key]
    return None


def _in_records(value: Any, literal: Any, stored: Any = None, suffix: str = "") -> Iterator[tuple[Any, str, Kept]]:
    """The files in records, with where Flyte keeps them: their URIs are in what it has stored as the record."""
    if stored is None and (binary := getattr(getattr(literal, "scalar", None), "binary", None)):
        stored = msgpack.unpackb(binary.value)
    for name, part in _fields(value) or _members(value):
        one, place = _stored(stored, name), f"{suffix}_{name}"
        if isinstance(part, _FILES):
            uri = str(_stored(one, "path") or _stored(one, "uri") or "")
            yield part, place, Kept(uri, str(_stored(one, "file_format") or ""), literal, f"{NOTE}{place}")
        else:
            yield from _in_records(part, literal if stored else _member(literal, name), one, place)


def _stored(stored: Any, key: Any) -> Any:
    with suppress(LookupError, TypeError):
        return stored[key]
    return None


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
