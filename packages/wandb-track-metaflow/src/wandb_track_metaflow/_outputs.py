"""What a step set: base types for the run's summary, everything else for artifacts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from wandb_track_core.adapters import bounded, legal_artifact_name, log_artifact
from wandb_track_serializers import Capture, to_reference, to_summary

from ._arguments import Arguments
from ._contents import digest_of, why_pickled, write
from ._identity import Task
from ._metaflow_internals import content_keys, included_file, is_remote, outlives_machine, parameters
from ._notices import Notices
from ._stored import location_of
from ._watch import Read

if TYPE_CHECKING:
    import wandb

MAX_ARTIFACTS = 1_000
"""Artifacts that are made of one step's variables."""
MAX_SUMMARY_SIZE = 8 << 20
"""Bytes of all variables of one step that are put into the summary, as JSON."""
MAX_VALUE_SIZE = 256 << 10
"""Bytes of one of them."""
ANSWER_SECONDS = 5.0
"""How long the client's service may take to say what the summary holds, which it has in memory."""


class Referred(NamedTuple):
    """A value of which no copy is written: its artifact refers to what Metaflow stores.

    Attributes:
        kind: "dataset", "model" or "other".
        class_name: Its class.
    """

    kind: Any
    class_name: str


def key_alias(key: str) -> str:
    """The alias of an artifact's version that holds what Metaflow stores under a content key."""
    return f"sha-{key}"


class Outputs:
    """The variables that a step set: written out while they are the step's, logged once Metaflow has stored them.

    Whether a variable that was read was changed in place is known by then, too: its content key tells.

    Attributes:
        stored_again: By name, the content key of what was read, not changed, and stored under another key.
    """

    def __init__(self, task: Task, arguments: Arguments, notices: Notices) -> None:
        self.stored_again: dict[str, str] = {}
        self._task = task
        self._capture = arguments.capture
        self._notices = notices
        self._before = dict(vars(task.flow))
        self._earlier: dict[str, str] = {}
        self._drafts: dict[str, tuple[wandb.Artifact, Path] | Referred] = {}
        self._refers = self._capture.storage == "reference"
        self._summary: dict[str, Any] = {}
        self._left = MAX_SUMMARY_SIZE
        self._reads: dict[str, Read] = {}

    def begin(self, run: wandb.Run) -> None:
        """Take note of what an earlier attempt has left in a run that is continued, and of where Metaflow stores."""
        if run.resumed:
            self._earlier = _texts(run)
        if self._refers and is_remote() and not outlives_machine(self._task.datastore):
            self._refers = False
            self._notices.add("copied, not referred to: Metaflow's datastore does not outlive this machine")

    def take(self, run: wandb.Run, read_as: Callable[[str, Any], Read | None]) -> None:
        """Write out what the flow object holds and the step set.

        Args:
            run: The step's run.
            read_as: Tells of a variable's value how it was read; None for one that the step made.
        """
        variables = vars(self._task.flow)
        for name in list(variables):
            if name in variables and self._before.get(name, variables) is not variables[name]:  # None counts as set
                with self._each(name):
                    self._take(run, name, variables[name], read_as(name, variables[name]))

    def take_stored(self, run: wandb.Run) -> None:
        """Write out what the step set and Metaflow has stored: where the step's end was told to no decorator."""
        for name, key in content_keys(self._task.datastore).items():
            if not (name.startswith("_") or name in self._before or self._task.source_of(name, key)):
                with self._each(name):
                    self._take(run, name, self._task.datastore[name], None)

    def log(self, run: wandb.Run) -> list[dict[str, str]]:
        """Put everything where it belongs, now that the content keys are known.

        Returns:
            Variable, name, type and alias of each artifact that was logged.

        Raises:
            TimeoutError: The client's service does not answer.
        """
        keys = content_keys(self._task.datastore)
        for name, read in self._reads.items():
            if keys.get(name, read.key) == read.key or self._task.source_of(name, keys[name]):
                self._summary.pop(name, None)
            else:
                with self._each(name):
                    self._compare(run, read)
        logged_by_user = {name for name, text in _texts(run).items() if self._earlier.get(name) != text}
        run.summary.update({name: self._summary[name] for name in self._summary if name not in logged_by_user})
        logged = []
        for name, draft in self._drafts.items():
            if name in keys and self._task.source_of(name, keys[name]):
                _discard(draft)
                continue
            alias = key_alias(keys[name]) if name in keys else "latest"
            with self._each(name):
                artifact, folder = self._reference(name, keys, draft) if isinstance(draft, Referred) else draft
                log_artifact(run, artifact, [alias] if name in keys else [], folder)
                self._notices.pickled(why_pickled(artifact))
                logged.append({"variable": name, "name": artifact.name, "type": artifact.type, "alias": alias})
        return logged

    def _reference(self, name: str, keys: Mapping[str, str], draft: Referred) -> tuple[wandb.Artifact, None]:
        if name not in keys:
            raise ValueError(f"Metaflow has not stored {name!r}, so nothing can refer to it: use storage='copy'")
        return to_reference(legal_artifact_name(name), location_of(self._task, name, keys[name], *draft)), None

    @contextmanager
    def _each(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._notices.left_out("not logged", name, error)

    def _take(self, run: wandb.Run, name: str, value: Any, read: Read | None) -> None:
        if name.startswith("_") or isinstance(value, FunctionType | MethodType):  # Metaflow stores none of these
            return
        kind, reason, is_expected = self._capture.decide(name, value)
        if kind is None:
            if not is_expected:
                self._notices.add(reason)
            return
        if kind == "summary":
            self._show(name, value)
        elif read is None:
            self._write(run, name, value, kind)
        if read is not None and (read.is_own or kind != "summary"):
            self._reads[name] = read

    def _show(self, name: str, value: Any) -> None:
        if self._left <= 0:
            raise ValueError(
                f"a summary takes {MAX_SUMMARY_SIZE:,} bytes of a step's variables: keep long ones in a file"
            )
        self._summary[name] = shown(value, self._capture.max_size)
        self._left -= len(name) + len(json.dumps(self._summary[name]))

    def _write(self, run: wandb.Run, name: str, value: Any, kind: Any) -> None:
        if len(self._drafts) >= MAX_ARTIFACTS:
            raise ValueError(
                f"at most {MAX_ARTIFACTS:,} artifacts of a step are logged: put values into a list or a dictionary"
            )
        if self._refers:
            self._drafts[name] = Referred(kind, f"{type(value).__module__}.{type(value).__qualname__}")
        else:
            self._drafts[name] = write(run, name, value, self._capture.max_size)

    def _compare(self, run: wandb.Run, read: Read) -> None:
        """Tell whether a variable that was read, and has another key now, was changed: one value at a time."""
        name, origin = read.name, self._task.source_of(read.name, read.key)
        if read.kind == "summary":
            if name in self._summary and shown(origin[name], self._capture.max_size) == self._summary[name]:
                del self._summary[name]
        else:
            value = self._task.datastore[name]
            self._write(run, name, value, read.kind)
            draft = self._drafts[name]
            mine = digest_of(name, value) if isinstance(draft, Referred) else draft[0].digest
            if mine is not None and mine == digest_of(name, origin[name]):
                _discard(self._drafts.pop(name))
                self.stored_again[name] = read.key


def _discard(draft: tuple[wandb.Artifact, Path] | Referred) -> None:
    if not isinstance(draft, Referred):
        shutil.rmtree(draft[1])


def _texts(run: wandb.Run) -> dict[str, str]:
    """A run's summary as JSON, which can be compared: the client's own dictionaries are equal to no others.

    Raises:
        TimeoutError: The client's service does not answer; the client itself would wait for ever.
    """
    summary = bounded(lambda: dict(run.summary), ANSWER_SECONDS, "reading the run's summary")
    return {name: json.dumps(value, default=dict, sort_keys=True) for name, value in summary.items()}


def config_of(task: Task, capture: Capture) -> dict[str, Any]:
    """Parameters and `Config` values by name; of an `IncludeFile` its size and hash, never its contents.

    The key "metaflow" says which task it was: a parameter of this name is called "parameter_metaflow".
    """
    return {
        "parameter_metaflow" if name == "metaflow" else name: shown(included_file(value) or value, capture.max_size)
        for name, value in parameters(task.inputs[0][0]).items()
        if capture.shows(name)
    }


def shown(value: Any, max_size: int | None) -> Any:
    """A value as config and summary take it, bounded: where something was left out of it, it says so itself."""
    return to_summary(value) if max_size is None else to_summary(value, max_size=min(max_size, MAX_VALUE_SIZE))
