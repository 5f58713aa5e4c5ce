"""What a step set: base types for the run's summary, everything else for artifacts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._contents import digest_of, why_pickled, write
from ._metaflow_internals import content_keys, is_remote, store_of

if TYPE_CHECKING:
    import wandb

    from ._arguments import Arguments
    from ._identity import Task
    from ._notices import Notices
    from ._watch import Read

MAX_ARTIFACTS = 1_000
"""Artifacts that are made of one step's variables."""
MAX_SUMMARY_VALUES = 10_000
"""Variables of one step that are put into the summary."""
MAX_SUMMARY_SIZE = 8 << 20
"""Bytes of all of them together, as JSON."""
MAX_VALUE_SIZE = 256 << 10
"""Bytes of one of them."""


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
        self._capture = arguments.capture()
        self._notices = notices
        self._before = dict(vars(task.flow))
        self._earlier: dict[str, Any] = {}
        self._logged_by_user: dict[str, Any] = {}
        self._drafts: dict[str, tuple[wandb.Artifact, Path] | Referred] = {}
        self._refers = self._capture.storage == "reference"
        self._summary: dict[str, Any] = {}
        self._left = MAX_SUMMARY_SIZE
        self._reads: dict[str, Read] = {}

    def begin(self, run: wandb.Run) -> None:
        """Take note of what an earlier attempt has left in a run that is continued, and of where Metaflow stores."""
        if run.resumed:
            self._earlier = dict(run.summary)
        kind = store_of(self._task.datastore).get("datastore", "?") if self._refers else ""
        if kind == "?" or (kind in ("local", "spin") and is_remote()):
            self._refers = False
            self._notices.add(f"copied, not referred to: Metaflow's datastore ({kind}) does not outlive this machine")

    def take(self, run: wandb.Run, read_as: Callable[[str, Any], Read | None]) -> None:
        """Write out what the flow object holds and the step set.

        Args:
            run: The step's run.
            read_as: Tells of a variable's value how it was read; None for one that the step made.
        """
        self._note_summary(run)
        variables = vars(self._task.flow)
        for name in list(variables):
            if name in variables and self._before.get(name, variables) is not variables[name]:  # None counts as set
                with self._each(name):
                    self._take(run, name, variables[name], read_as(name, variables[name]))

    def take_stored(self, run: wandb.Run) -> None:
        """Write out what the step set and Metaflow has stored: where the step's end was told to no decorator."""
        self._note_summary(run)
        for name, key in content_keys(self._task.datastore).items():
            if not (name.startswith("_") or name in self._before or self._task.source_of(name, key)):
                with self._each(name):
                    self._take(run, name, self._task.datastore[name], None)

    def log(self, run: wandb.Run) -> list[dict[str, str]]:
        """Put everything where it belongs, now that the content keys are known.

        Returns:
            Variable, name, type and alias of each artifact that was logged.
        """
        from wandb_track_core.adapters import log_artifact

        keys = content_keys(self._task.datastore)
        for name, read in self._reads.items():
            if keys.get(name, read.key) == read.key or self._task.source_of(name, keys[name]):
                self._summary.pop(name, None)
            else:
                with self._each(name):
                    self._compare(run, read)
        run.summary.update(self._summary)
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
        from wandb_track_core.adapters import legal_artifact_name
        from wandb_track_serializers import to_reference

        from ._stored import location_of

        if name not in keys:
            raise ValueError(f"Metaflow has not stored {name!r}, so nothing can refer to it: use storage='copy'")
        return to_reference(legal_artifact_name(name), location_of(self._task, name, keys[name], *draft)), None

    def _note_summary(self, run: wandb.Run) -> None:
        there = dict(run.summary)
        self._logged_by_user = {each: there[each] for each in there if self._earlier.get(each) != there[each]}

    @contextmanager
    def _each(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._notices.not_logged(name, str(error) or type(error).__name__)

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
        if name in self._logged_by_user:
            # The client's own dictionaries are equal to no others.
            both = self._logged_by_user[name], shown(value, self._capture.max_size)
            if len({json.dumps(each, default=dict, sort_keys=True) for each in both}) > 1:
                self._notices.not_logged(name, "the step's own code has logged something else under this name")
        elif self._left <= 0 or len(self._summary) == MAX_SUMMARY_VALUES:
            limits = f"{MAX_SUMMARY_VALUES:,} variables, of {MAX_SUMMARY_SIZE:,} bytes together"
            self._notices.not_logged(name, f"a summary takes {limits}")
        else:
            self._summary[name] = shown(value, self._capture.max_size)
            self._left -= len(json.dumps(self._summary[name]))

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


def shown(value: Any, max_size: int | None) -> Any:
    """A value as config and summary take it, bounded: where something was left out of it, it says so itself."""
    from wandb_track_serializers import to_summary

    return to_summary(value) if max_size is None else to_summary(value, max_size=min(max_size, MAX_VALUE_SIZE))
