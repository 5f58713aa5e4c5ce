"""What a task takes and gives is on its run: parameters, artifacts, and exact links from one task to the next.

The producer notes the version of each artifact in the metadata of the output's literal, which Flyte passes on with
the value: through a workflow, in lists and dictionaries, and from the cache. The platform's cache compares whole
literals, so only those are noted that are new with each attempt: their URI is below its own raw-output prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from enum import Enum
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
"""The key in a literal's metadata that names a version: "entity/project/name:alias"."""
_FILES = "pathlib.files"
_FORMATS = {"PythonPickle": "builtins.pickle", "PyTorchModule": "torch.module"}
"""What reads a literal, by the format that flytekit names in it."""
_WAIT = 10
"""Seconds that a task waits for the server to have the reference to an input."""
_versions: dict[str, str] = {}
"""What this process has logged, by `_key` of the URI of its literal."""


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
                if _holds_files(value) or not _is_here(value):
                    continue
                if self.capture.decide(name, value := _plain(value)).kind == "summary":
                    key, shown = f"parameter_{name}" if name == "flyte" else name, to_summary(value)
                    if key not in run.config:
                        run.config.update({key: shown})
                    elif run.config[key] != shown:  # an earlier attempt of a run that goes on has noted the same
                        notify(f"input {name!r} is not in the config, because config= has something else of this name")
        with fuse("linking the task's inputs"):
            for name, literal in given.items():
                for one in _walk(literal) if self.capture.shows(name) else ():
                    self._link(run, name, one.metadata, _uri(one), one)
            for name, value in inputs.items() if literals is None else ():
                if isinstance(value, FlyteFile | FlyteDirectory) and self.capture.shows(name):
                    uri = str(getattr(value, "remote_source", None) or value.path)
                    self._link(run, name, getattr(value, "metadata", None), uri)

    def end(self, run: Any, returned: Any, interface: Any, literals: Any) -> None:
        """Log the outputs with a run that is still open, and note their versions in their literals.

        Args:
            run: The task's run.
            returned: What the function returned.
            interface: The task's Python interface.
            literals: The `LiteralMap` of the outputs; None where it is not at hand.
        """
        names = list(interface.outputs or ())
        is_one = len(names) == 1 and not (interface.output_tuple_name and isinstance(returned, tuple))
        values = [returned] if is_one else list(returned or ())
        made = getattr(literals, "literals", None) or {}
        for position, (name, value) in enumerate(zip(names, values, strict=False)):
            is_named = name != f"o{position}"
            shown = name if is_named else self.name if len(names) == 1 else f"{self.name}_{name}"
            for part, suffix, literal in _parts(value, made.get(name)):
                with fuse(f"logging output {name!r}"):
                    self._log(run, f"{shown}{suffix}", part, literal)

    def _link(self, run: Any, name: str, metadata: Any, uri: str, literal: Any = None) -> None:
        try:
            known = (metadata or {}).get(NOTE) or _versions.get(_key(uri))
            if reference := known or (literal and self._given(run, name, literal)):
                use_artifact(run, *reference.rsplit(":", 1))
        except Exception as error:
            notify(f"input {name!r} could not be linked: {' '.join(str(error).split())}")

    def _given(self, run: Any, name: str, literal: Any) -> str:
        """Log a reference to an input that no tracked task is known to have produced; returns its version, if any."""
        from wandb_track_serializers import log_value

        uri = _uri(literal)
        blob = getattr(getattr(literal, "scalar", None), "blob", None)
        if not uri or not self.capture.datasets or (blob and blob.metadata.type.format in _FORMATS):
            return ""
        location = _location(uri)
        if location.local and is_in_container():
            return ""
        location = location._replace(files=location.find())
        alias = alias_of(uri, _state(location))
        artifact = log_value(run, f"{self.name}_{name}", None, [alias], storage=location)
        if artifact is None:
            return ""
        if not run.offline:
            artifact.wait(_WAIT)
        return self._reference(run, artifact, alias)

    def _reference(self, run: Any, artifact: Any, alias: str) -> str:
        version = f"{artifact.name.partition(':')[0]}:{alias}"
        return "/".join(part for part in (self.entity or run.entity, run.project, version) if part)

    def _log(self, run: Any, name: str, value: Any, literal: Any) -> None:
        if not _is_here(value):
            return
        uri = _uri(literal)
        is_path = uri and isinstance(value, str) and _serializer_of(literal, value) == _FILES
        value = Path(value) if is_path else _plain(value)
        kind, reason, is_expected = self.capture.decide(name, value)
        if kind is None and not is_expected:
            notify(reason)
        if kind is None or (kind == "summary" and not self.parameters):
            return
        from wandb_track_serializers import SerializerError, log_value

        is_new = bool(uri) and _is_new_with_each_attempt(uri)
        location = _location(uri)._replace(
            kind="dataset" if kind == "summary" else kind,
            serializer=_serializer_of(literal, value),
            class_name=f"{type(value).__module__}.{type(value).__qualname__}",
        )

        is_elsewhere = isinstance(value, Path) and not value.exists()  # such as a file that is only passed on
        is_reference = uri and kind != "summary" and (is_elsewhere or self.capture.storage == "reference")
        try:
            alias = alias_of(uri, "" if is_new else _state(location)) if uri else ""
            artifact = log_value(
                run,
                name,
                value,
                [alias] if uri else lambda made: [f"md5-{made.digest}"],
                max_size=self.capture.max_size,
                storage=location if is_reference else "copy",
                in_container=is_in_container(),
            )
        except SerializerError as error:
            notify(f"not logged: {name}: {error}")
            return
        if artifact is None or not uri:
            return
        reference = self._reference(run, artifact, alias)
        if is_new:
            literal.set_metadata({**(literal.metadata or {}), NOTE: reference})
        if is_new or location.local:
            _versions[_key(uri)] = reference


def alias_of(uri: str, digest: str = "") -> str:
    """The alias of the version whose bytes Flyte keeps at a URI; with their ETag where they may be written again."""
    return f"flyte-{sha256(f'{uri} {digest}'.strip().encode()).hexdigest()[:16]}"


def _serializer_of(literal: Any, value: Any) -> str:
    """What reads the files that Flyte has made of a value: frames and pickles as what they are, all else as paths."""
    scalar = getattr(literal, "scalar", None)
    if frame := getattr(scalar, "structured_dataset", None):
        from wandb_track_serializers import serializer_for

        is_parquet = frame.metadata.structured_dataset_type.format in ("", "parquet")
        return serializer_for(value).id if is_parquet else _FILES
    blob = getattr(scalar, "blob", None)
    return _FORMATS.get(blob.metadata.type.format, _FILES) if blob else _FILES


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
        return [_plain(part) for part in value]
    if type(value) is dict:
        return {key: _plain(part) for key, part in value.items()}
    names = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "model_fields", None)
    return {name: _in_record(getattr(value, name)) for name in names} if names else value


def _in_record(value: Any) -> Any:
    """A field of a dataclass or a pydantic model: Flyte keeps it in the record, of a file the path alone."""
    return str(value.path) if isinstance(value, FlyteFile | FlyteDirectory) else _plain(value)


def _leaves(value: Any) -> Iterator[Any]:
    """A value, or what is in lists, tuples and dictionaries."""
    if isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)
    else:
        yield value


def _holds_files(value: Any) -> bool:
    """Whether a value is a file or folder, or holds one: no parameter."""
    return any(isinstance(leaf, FlyteFile | FlyteDirectory) for leaf in _leaves(value))


def _is_here(value: Any) -> bool:
    """False for what another task makes or has made: a promise in a dynamic task, a frame that is only passed on."""
    return not any(
        isinstance(leaf, Promise) or (isinstance(leaf, StructuredDataset) and leaf.dataframe is None)
        for leaf in _leaves(value)
    )


def _location(uri: str) -> Location:
    from wandb_track_serializers import Location

    return Location(uri if "://" in uri else Path(uri).absolute().as_uri(), filesystem=filesystem())


def _state(location: Location) -> str:
    """What tells that the files at a location are still the same."""
    return " ".join(f"{file.digest} {file.size}" for file in location.find())


def _key(uri: str) -> str:
    """What this process knows a URI by: of local files, which may be written again, with their state."""
    from wandb_track_serializers import SerializerError

    if not uri:
        return ""
    location = _location(uri)
    with suppress(SerializerError):
        return alias_of(uri, _state(location) if location.local else "")
    return ""


def _parts(value: Any, literal: Any) -> Iterator[tuple[Any, str, Any]]:
    """A value, or what is in lists and dictionaries of values with URIs of their own; what is added to its name."""
    if getattr(getattr(literal, "scalar", None), "union", None) is not None:
        literal = literal.scalar.union.value
    parts: Iterable[tuple[Any, Any, Any]] = ()
    if isinstance(value, list) and getattr(literal, "collection", None) is not None:
        parts = zip(count(), value, literal.collection.literals)
    elif isinstance(value, dict) and getattr(literal, "map", None) is not None:
        parts = ((key, part, literal.map.literals[key]) for key, part in value.items())
    if not parts or not any(map(_uri, _walk(literal))):
        yield value, "", literal
        return
    for key, part, one in parts:
        for inner, suffix, its in _parts(part, one):
            yield inner, f"_{key}{suffix}", its


def _walk(literal: Any) -> Iterator[Any]:
    if getattr(literal, "collection", None) is not None:
        for one in literal.collection.literals:
            yield from _walk(one)
    elif getattr(literal, "map", None) is not None:
        for one in literal.map.literals.values():
            yield from _walk(one)
    elif getattr(getattr(literal, "scalar", None), "union", None) is not None:
        yield from _walk(literal.scalar.union.value)
    elif literal is not None:
        yield literal


def _uri(literal: Any) -> str:
    """Where Flyte keeps the bytes of a literal; empty for one that holds its value itself."""
    scalar = getattr(literal, "scalar", None)
    kept = (getattr(scalar, name, None) for name in ("blob", "structured_dataset", "schema"))
    return next((str(one.uri or "") for one in kept if one is not None), "")


def _is_new_with_each_attempt(uri: str) -> bool:
    access = FlyteContextManager.current_context().file_access
    return uri.startswith(str(access.raw_output_prefix).rstrip("/") + "/")
