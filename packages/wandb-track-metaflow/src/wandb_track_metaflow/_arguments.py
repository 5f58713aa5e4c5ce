"""What `wandb_log` was given, checked and made uniform.

On the command line (`--with wandb_log:datasets=true,project=x`) everything may arrive as text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from wandb_track_core import ArgumentError, MissingKeyError
from wandb_track_core.adapters import check_policy, unexpected_argument

if TYPE_CHECKING:
    from typing import Literal

    from wandb_track_core.adapters import OnError
    from wandb_track_serializers import Capture

    Ranks = Literal["all", "first"]

_TRUTH = {"true": True, "false": False}


class Arguments(NamedTuple):
    """The arguments of `wandb_log`; see there."""

    datasets: bool = False
    models: bool = False
    others: bool = False
    settings: Any = None
    project: str | None = None
    entity: str | None = None
    mode: str | None = None
    tags: tuple[str, ...] | None = None
    resume: bool | str | None = None
    api_key: Callable[[], str | None] | None = None
    secret: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    max_size: int | None = None
    on_error: OnError | None = None
    init_timeout: float | None = None
    finish_timeout: float | None = None
    ranks: Ranks | None = None
    keep_local: bool | None = None
    card: bool | None = None
    storage: str = "copy"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Arguments:
        """Check arguments.

        Args:
            given: Arguments of `wandb_log` by name.

        Raises:
            ArgumentError: An argument cannot be used.
            TypeError: There is no argument of this name.
        """
        for name in given:
            if name not in cls._fields:
                raise unexpected_argument("wandb_log()", name, cls._fields)
        arguments = cls(**{name: _checked(name, value) for name, value in given.items()})
        check_policy(arguments.on_error, arguments.init_timeout, arguments.finish_timeout, arguments.ranks)
        return arguments

    def capture(self) -> Capture:
        """What of the step's variables is kept, and as what."""
        from wandb_track_serializers import Capture

        flags = self.datasets, self.models, self.others
        return Capture(*flags, self.include, self.exclude, self.max_size, self.storage)

    def key(self) -> str | None:
        """The API key, read where and when the task runs; None leaves it to the user's own login.

        Raises:
            MissingKeyError: It is not there.
        """
        if self.api_key is not None:
            key = self.api_key()
            if not key:
                raise MissingKeyError(
                    "api_key= returned no key: it is called where the task runs, and must find one there"
                )
            return key
        if self.secret is None:
            return None
        if not os.environ.get(self.secret):
            raise MissingKeyError(
                f"secret={self.secret!r}: the task has no such environment variable. Set it with"
                " @secrets(sources=[...]) or @environment(vars={...})"
            )
        return os.environ[self.secret]


class HiddenSettings:
    """Holds the user's settings away from Metaflow, which stores the text of every decorator's arguments.

    The text of settings that hold an API key shows it.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def __repr__(self) -> str:
        return f"<{type(self.settings).__name__}>"


def _checked(name: str, value: Any) -> Any:
    """An argument in its own type; on the command line everything may have arrived as a str."""
    if isinstance(value, str) and (name in _FLAGS or name == "resume"):
        value = _TRUTH.get(value.lower(), value)
    elif isinstance(value, str) and name in _LISTS:
        value = [part.strip() for part in value.split(",")]
    elif isinstance(value, HiddenSettings):
        value = value.settings
    if value is None and Arguments._field_defaults[name] is None:
        return None
    fits, problem = _KINDS.get(name, (lambda _: True, ""))
    if not fits(value):
        remedy = {"api_key": _REMEDY, "secret": "Never put the key into code."}.get(name, "")
        raise ArgumentError(name, problem, value, remedy, is_secret=bool(remedy))
    return tuple(value) if name in _LISTS else value


def _is_list_of_str(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(part, str) for part in value)


def _is_name_of_a_variable(value: Any) -> bool:
    """Whether it can be a name rather than a key: keys have 40 characters or more, and small letters among them."""
    return isinstance(value, str) and (len(value) < 40 or value.isupper())


def _is_number_of_bytes(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_FLAGS = ("datasets", "models", "others", "keep_local", "card")
_LISTS = ("tags", "include", "exclude")
_REMEDY = 'Or let @secrets or @environment set an environment variable, and name it: secret="MY_WANDB_KEY".'
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_FLAGS, (lambda value: isinstance(value, bool), "must be True or False")),
    **dict.fromkeys(_LISTS, (_is_list_of_str, 'must be a list of str, such as ["raw_*"]')),
    **dict.fromkeys(("project", "entity", "mode"), (lambda value: isinstance(value, str), "must be a str")),
    "secret": (_is_name_of_a_variable, "must be the name of an environment variable"),
    "settings": (
        lambda value: isinstance(value, Mapping) or hasattr(type(value), "model_fields"),
        "must be a wandb.Settings or a dict of settings",
    ),
    "api_key": (callable, "must be a function that returns the key where the task runs"),
    "max_size": (_is_number_of_bytes, "must be a number of bytes above 0, or None for no limit"),
    "storage": (lambda value: value in ("copy", "reference"), "must be 'copy' or 'reference'"),
    "ranks": (lambda value: value in ("all", "first"), 'must be "all" or "first"'),
}
