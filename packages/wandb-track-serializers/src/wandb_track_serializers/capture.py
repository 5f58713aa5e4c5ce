"""What of a task's values is kept, and as what: the policy behind the arguments of the orchestrators' packages."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wandb_track_core import ArgumentError

from ._kinds import is_base

if TYPE_CHECKING:
    from ._kinds import Kind


class Decision(NamedTuple):
    """What becomes of a value.

    Attributes:
        kind: "summary" for the run's config or summary; "dataset", "model" or "other" for an artifact of that type;
            None where it is not logged.
        reason: Why it is not logged, one line; empty where it is.
        is_expected: Whether the reason is what the user asked for, and needs no line.
    """

    kind: Literal["summary"] | Kind | None
    reason: str = ""
    is_expected: bool = True


class Capture:
    """Decides about values by their names and kinds. Its arguments are checked when it is made.

    Attributes:
        datasets: Whether frames, tables and paths become artifacts.
        models: Whether torch modules and scikit-learn estimators do.
        others: Whether everything else that pickles does.
        include: Patterns of names, as in `fnmatch`; None for all. A str is split at commas.
        exclude: Patterns of names that are left out, also of those that are included.
        max_size: The most bytes of one artifact; None for no limit.
        storage: "copy" to write a value's files; "reference" for a reference to what the orchestrator keeps, where it
            has the value's bytes in a place that W&B can name.

    Raises:
        ArgumentError: An argument cannot be used.
    """

    def __init__(
        self,
        datasets: bool | str = False,
        models: bool | str = False,
        others: bool | str = False,
        include: Any = None,
        exclude: Any = None,
        max_size: int | None = None,
        storage: str = "copy",
    ) -> None:
        self.datasets = _flag("datasets", datasets)
        self.models = _flag("models", models)
        self.others = _flag("others", others)
        self.include = _patterns("include", include)
        self.exclude = _patterns("exclude", exclude)
        self.max_size = max_size
        self.storage = check_storage(storage)
        if max_size is not None and (type(max_size) is not int or max_size < 1):
            raise ArgumentError("max_size", "must be a number of bytes above 0, or None for no limit", max_size)

    def shows(self, name: str) -> bool:
        """Whether a value of this name may be shown to W&B at all, as its patterns say."""
        if any(fnmatchcase(name, pattern) for pattern in self.exclude or ()):
            return False
        return self.include is None or any(fnmatchcase(name, pattern) for pattern in self.include)

    def wants(self, kind: str) -> bool:
        """Whether values of a kind become artifacts."""
        return bool(getattr(self, f"{kind}s"))

    def decide(self, name: str, value: Any) -> Decision:
        """Say what becomes of a value; no library is imported for it.

        Args:
            name: Its name in the task.
            value: Any value.
        """
        if not self.shows(name):
            return Decision(None, f"{name!r} is not logged: include= and exclude= leave it out")
        from ._registry import kind_of

        kind = kind_of(value)
        if kind == "summary" or self.wants(kind):
            return Decision(kind)
        flag, is_container = f"{kind}s", is_base(value)  # which people expect in the summary
        what = "holds frames, arrays or models" if is_container else f"is of kind {kind}"
        reason = f"{name!r} is not logged: it {what}, and {flag} is False; set {flag}=True to keep it as an artifact"
        return Decision(None, reason, is_expected=not is_container)


def check_storage(storage: Any) -> str:
    """Return an argument `storage` that can be used.

    Raises:
        ArgumentError: It is neither "copy" nor "reference".
    """
    if storage not in ("copy", "reference"):
        raise ArgumentError("storage", "must be 'copy' or 'reference'", storage)
    return str(storage)


def _flag(name: str, value: Any) -> bool:
    given = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(given, bool):
        raise ArgumentError(name, "must be True or False", value)
    return given


def _patterns(name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in parts):
        raise ArgumentError(name, f'must be a list of str, such as {name}=["raw_*"]', value)
    return tuple(parts)
