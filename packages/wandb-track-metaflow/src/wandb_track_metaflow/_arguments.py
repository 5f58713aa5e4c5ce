"""What `wandb_log` was given, checked and made uniform.

On the command line (`--with wandb_log:datasets=true,project=x`) everything may arrive as text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from wandb_track_core import ArgumentError, MissingKeyError, check_policy

if TYPE_CHECKING:
    from typing import Literal

    from wandb_track_core import OnError

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
                similar = get_close_matches(name, cls._fields, 1)
                hint = f"Did you mean {similar[0]!r}?" if similar else f"It takes {', '.join(cls._fields)}."
                raise TypeError(f"wandb_log() got an unexpected argument {name!r}. {hint}")
        arguments = cls(**{name: _CHECKS.get(name, _as_it_is)(name, value) for name, value in given.items()})
        check_policy(arguments.on_error, arguments.init_timeout, arguments.finish_timeout, arguments.ranks)
        return arguments

    def wants(self, kind: str) -> bool:
        """Whether values of a kind ("dataset", "model" or "other") become artifacts."""
        return {"dataset": self.datasets, "model": self.models, "other": self.others}[kind]

    @property
    def is_off(self) -> bool:
        """Whether the step itself says that it is not to be tracked."""
        given = self.settings
        mode = given.get("mode") if isinstance(given, Mapping) else getattr(given, "mode", None)
        return "disabled" in (self.mode, mode)

    def lets_through(self, name: str) -> bool:
        """Whether a variable or parameter of this name may be shown to W&B."""
        if any(fnmatchcase(name, pattern) for pattern in self.exclude or ()):
            return False
        return self.include is None or any(fnmatchcase(name, pattern) for pattern in self.include)

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


class Sealed:
    """Holds the user's settings away from Metaflow, which stores the text of every decorator's arguments.

    The text of settings that hold an API key shows it.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def __repr__(self) -> str:
        return f"<{type(self.settings).__name__}>"


def _as_it_is(name: str, value: Any) -> Any:
    return value


def _flag(name: str, value: Any) -> bool:
    flag = _TRUTH.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise ArgumentError(name, value, "Give True or False.")
    return flag


def _optional_flag(name: str, value: Any) -> bool | None:
    return None if value is None else _flag(name, value)


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ArgumentError(name, value, "Give a text.")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...] | None:
    """A list of texts, also from the command line, where they are separated by commas."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in parts):
        raise ArgumentError(name, value, f'Give a list of texts, such as {name}=["raw_*"].')
    return tuple(parts)


def _settings(name: str, value: Any) -> Any:
    settings = value.settings if isinstance(value, Sealed) else value
    if settings is None or isinstance(settings, Mapping) or hasattr(type(settings), "model_fields"):
        return settings
    raise ArgumentError(name, settings, "Give a wandb.Settings or a dictionary of settings.")


def _resume(name: str, value: Any) -> Any:
    return _TRUTH.get(value.lower(), value) if isinstance(value, str) else value


def _key_function(name: str, value: Any) -> Any:
    if value is None or callable(value):
        return value
    raise ArgumentError(
        name,
        value,
        "Give a function that returns the key where the task runs. Or have @secrets or @environment put the key into"
        ' an environment variable, and name that: secret="MY_WANDB_KEY".',
    )


def _ranks(name: str, value: Any) -> Any:
    if value in (None, "all", "first"):
        return value
    raise ArgumentError(name, value, 'Give "all" or "first".')


def _size(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ArgumentError(name, value, "Give a number of bytes above 0, or None for no limit.")


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("datasets", "models", "others"), _flag),
    **dict.fromkeys(("keep_local", "card"), _optional_flag),
    **dict.fromkeys(("project", "entity", "mode", "secret"), _text),
    **dict.fromkeys(("tags", "include", "exclude"), _texts),
    "settings": _settings,
    "resume": _resume,
    "api_key": _key_function,
    "max_size": _size,
    "ranks": _ranks,
}
