"""What a task takes and gives is on its run: parameters, artifacts, and exact links from one task to the next.

The producer notes the version of each artifact in the metadata of the output's literal, which Flyte passes on with
the value: through a workflow, in lists and dictionaries, and from the cache. The platform's cache compares whole
literals, so only those are noted that are new with each attempt: their URI is below its own raw-output prefix.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, get_args

from flytekit.core.promise import Promise
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from wandb_track_core.adapters import fuse, notify, use_artifact
from wandb_track_serializers import Capture, SerializerError, kind_of, log_value, serializer_for, to_summary

from ._context import is_in_container
from ._literals import BASE, FILES, Kept, fields_of, leaves, parts, sources, uri_of, versions

_FORMATS = {"PythonPickle": "builtins.pickle", "PyTorchModule": "torch.module"}
"""What reads a literal, by the format that flytekit names in it."""
_WAIT = 10
"""Seconds that a task waits for the server to have the reference to an input."""


class Values(NamedTuple):
    """Puts a task's inputs and outputs on its run.

    Attributes:
        capture: What becomes an artifact.
        parameters: Whether base types become config and summary.
        entity: The entity of the run, for links that are read elsewhere.
        name: The function's name.
        inputs: What it was given, by name.
    """

    capture: Capture
    parameters: bool
    entity: str
    name: str
    inputs: Mapping[str, Any]

    def begin(self, run: Any, literals: Any) -> None:
        """Note the inputs on an open run.

        Args:
            run: The task's run.
            literals: The `LiteralMap` that they came from; None where it is not at hand.
        """
        given = getattr(literals, "literals", None) or {}
        with fuse("noting the task's inputs"):
            for name, value in self.inputs.items() if self.parameters else ():
                has_files = any(isinstance(leaf, FILES) for leaf in leaves(value))
                if not has_files and self.capture.decide(name, value := _plain(value)).kind == "summary":
                    key, shown = f"parameter_{name}" if name == "flyte" else name, to_summary(value)
                    if key not in run.config:
                        run.config.update({key: shown})
                    elif run.config[key] != shown:  # an earlier attempt of a run that goes on has noted the same
                        notify(f"input {name!r} is not in the config, because config= has something else of this name")
        with fuse("linking the task's inputs"):
            for name, value in self.inputs.items():
                for kept, note in sources(value, given.get(name)) if self.capture.shows(name) else ():
                    self._link(run, name, kept, note)

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
        references = []
        types: dict[str, Any] = interface.outputs or {}
        is_one = len(types) == 1 and not (interface.output_tuple_name and isinstance(returned, tuple))
        values = [returned] if is_one else list(returned or ())
        for position, (name, value) in enumerate(zip(types, values, strict=False)):
            is_named = name != f"o{position}"
            shown = name if is_named else self.name if len(types) == 1 else f"{self.name}_{name}"
            for part, suffix, kept in parts(_typed(value, types[name]), literals.get(name)):
                references.append("")
                with fuse(f"logging output {name!r}"):
                    references[-1] = self._log(run, f"{shown}{suffix}", part, kept)
                    kept.note(references[-1])
        return references

    def _link(self, run: Any, name: str, kept: Kept, note: str) -> None:
        try:
            if reference := note or self._version(run, name, kept):
                use_artifact(run, *reference.rsplit(":", 1))
        except Exception as error:
            notify(f"input {name!r} could not be linked: {' '.join(str(error).split())}")

    def _version(self, run: Any, name: str, kept: Kept) -> str:
        """What this process has logged of a URI; else a reference to an input that no tracked task has produced."""
        location = kept.location
        is_given = self.capture.datasets and kept.format not in _FORMATS
        is_given = is_given and not (location.local and is_in_container())
        if not versions and not is_given:
            return ""
        try:
            location = location._replace(files=location.find())
        except SerializerError:
            if is_given:
                raise
            return ""
        alias = kept.alias(location)
        if alias in versions or not is_given:
            return versions.get(alias, "")
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
        is_table = kept.is_frame or (kept.uri and isinstance(value, StructuredDataset))
        value = _plain(value)
        if is_table and kind_of(value) != "dataset":
            value = Path(kept.uri)  # only flytekit can write such a frame (Spark's): the files that it has written
        kind, reason, is_expected = self.capture.decide(name, value)
        if kind is None and not is_expected:
            notify(reason)
        if kind is None or (kind == "summary" and not self.parameters):
            return ""
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


def _plain(value: Any) -> Any:
    """A value as the serializers know it: Flyte's own files, folders and frames by what they hold."""
    if isinstance(value, FlyteFile | FlyteDirectory):
        return Path(str(value.path))
    if isinstance(value, StructuredDataset):
        return Path(value.uri) if value.dataframe is None and value.uri else value.dataframe
    if (omegaconf := sys.modules.get("omegaconf")) and omegaconf.OmegaConf.is_config(value):
        value = omegaconf.OmegaConf.to_container(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | timedelta):
        return to_summary(value)
    if type(value) is list:
        return value if BASE.issuperset(map(type, value)) else [_plain(part) for part in value]
    if type(value) is dict:
        return {key: _plain(part) for key, part in value.items()}
    # Flyte keeps a field in the record, and of a file only where it is.
    fields = ((name, uri_of(part) if isinstance(part, FILES) else _plain(part)) for name, part in fields_of(value))
    return dict(fields) or value


def _is_here(value: Any) -> bool:
    """False for what another task makes or has made: a promise in a dynamic task, a frame that is only passed on."""
    return not any(
        isinstance(leaf, Promise) or (isinstance(leaf, StructuredDataset) and leaf.dataframe is None and not leaf.uri)
        for leaf in leaves(value)
    )


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
