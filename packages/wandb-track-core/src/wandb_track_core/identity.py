"""Which task of which orchestrator a run belongs to, and every name of the run that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ._names import NAME_LIMIT, SHORT_LIMIT, legal_id, legal_tags, shorten
from .errors import ArgumentError

_TEXTS = ("orchestrator", "task", "workflow", "execution", "platform_id", "url")
_LISTS: dict[str, Any] = {"key": str, "indices": int | str, "values": str, "tags": str}
_OF = {**dict.fromkeys(_LISTS, "str"), "indices": "int and str"}


class TaskIdentity(NamedTuple):
    """One attempt of one task, in its orchestrator's own terms.

    Two attempts are the same when `key` (or `platform_id`) and `attempt` are. What has no counterpart in
    an orchestrator stays at its default.

    Attributes:
        orchestrator: Its name, such as "flyte"; the run's config keeps the identity below this key.
        task: The task's or step's name, as people call it.
        key: The orchestrator's own ids that name the task wherever it runs, outermost first, without the
            attempt: (flow, run id, step, task id) for Metaflow. Empty where the orchestrator gave none
            (a local run): W&B then makes an id of its own.
        workflow: The workflow's or flow's name.
        execution: The id of this execution of the workflow.
        attempt: 0 for the first try.
        indices: Where the task stands among its siblings (a map index, a stack of foreach indexes).
        values: What the siblings differ in, as text, for as many entries of `indices` as it is known.
        platform_id: The id that the platform gave to this very attempt (a pod's name). It wins over `key`.
        url: Where people look at the task or its execution.
        tags: Tags that the orchestrator's users gave.
        details: Further facts for the run's config, such as the domain or the version.
        rank: The process's place among several that run the task, where the orchestrator knows it; otherwise the
            environment says (RANK and WORLD_SIZE, as torchrun sets them).
    """

    orchestrator: str
    task: str
    key: tuple[str, ...] = ()
    workflow: str = ""
    execution: str = ""
    attempt: int = 0
    indices: tuple[int | str, ...] = ()
    values: tuple[str, ...] = ()
    platform_id: str = ""
    url: str = ""
    tags: tuple[str, ...] = ()
    details: Mapping[str, object] | None = None
    rank: int | None = None

    @property
    def run_id(self) -> str | None:
        """The run's id: one for each attempt, always the same one for it. None lets W&B make one."""
        if self.platform_id:
            return legal_id((self.platform_id,))
        return legal_id((*self.key, str(self.attempt))) if self.key else None

    @property
    def stable_id(self) -> str | None:
        """The id of a run that all attempts of the task continue. None lets W&B make one.

        It is no attempt's own id, as long as no other key is this one without a number at its end.
        """
        return legal_id(self.key) if self.key else None

    @property
    def name(self) -> str:
        """The run's name: at most 128 characters that tell workflow, execution, task, siblings, attempt."""
        path = dict.fromkeys((self.workflow, self.execution, self.task, *self.key))
        name = "/".join(part for part in path if part)
        if self.indices:
            values = (*self.values, *("" for _ in self.indices))
            places = (f"{at}={value}" if value else str(at) for at, value in zip(self.indices, values, strict=False))
            name += f" [{', '.join(places)}]"
        if self.attempt:
            name += f" attempt {self.attempt}"
        return shorten(name, NAME_LIMIT)

    @property
    def group(self) -> str | None:
        """The group that all tasks of the execution share; None where there is no execution."""
        if not self.execution:
            return None
        return shorten("/".join(part for part in (self.workflow, self.execution) if part), NAME_LIMIT)

    @property
    def job_type(self) -> str:
        """The run's job type: the task's name, at most 64 characters."""
        return shorten(self.task, SHORT_LIMIT)

    @property
    def legal_tags(self) -> tuple[str, ...]:
        """The orchestrator's tags as W&B accepts them."""
        return legal_tags(self.tags)

    @property
    def config(self) -> dict[str, dict[str, object]]:
        """What the run's config says of its origin, below the orchestrator's name; nothing that is empty."""
        facts: dict[str, object] = {
            "workflow": self.workflow,
            "execution": self.execution,
            "task": self.task,
            "attempt": self.attempt,
            "indices": list(self.indices),
            "values": list(self.values),
            "url": self.url,
            **(self.details or {}),
        }
        return {self.orchestrator: {key: fact for key, fact in facts.items() if fact not in ("", None, [])}}

    @property
    def link(self) -> str:
        """One line of Markdown that leads back to the orchestrator; empty where there is no page."""
        return f"[Execution URL]({self.url})" if self.url else ""


def check_identity(identity: Any) -> TaskIdentity:
    """Refuse an identity that no run's id could be made of, or that would name another one than is meant.

    Raises:
        ArgumentError: Naming the field.
    """
    if not isinstance(identity, TaskIdentity):
        raise ArgumentError("identity", "must be a TaskIdentity", identity)
    for name in _TEXTS:
        text = getattr(identity, name)
        if not isinstance(text, str) or (name == "orchestrator" and not text):
            raise ArgumentError(
                f"identity.{name}", "must be a str" + (" that is not empty" if name == "orchestrator" else ""), text
            )
    for name, kind in _LISTS.items():
        parts = getattr(identity, name)
        if not isinstance(parts, tuple | list) or not all(isinstance(part, kind) for part in parts):
            raise ArgumentError(f"identity.{name}", f"must be a tuple of {_OF[name]}", parts)
    for name, number in (("attempt", identity.attempt), ("rank", identity.rank)):
        is_number = isinstance(number, int) and not isinstance(number, bool) and number >= 0
        if not (is_number or (name == "rank" and number is None)):
            raise ArgumentError(f"identity.{name}", "must be an int of 0 or more", number)
    if not isinstance(identity.details, Mapping | None):
        raise ArgumentError("identity.details", "must be a dict", identity.details)
    return identity
