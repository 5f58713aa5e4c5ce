"""What `wandb_log` was given, checked and made uniform.

On the command line (`--with wandb_log:datasets=true,project=x`) everything may arrive as text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from wandb_track_core import ArgumentError, MissingKeyError
from wandb_track_core.adapters import check_policy
from wandb_track_serializers import Capture

_CAPTURE = ("datasets", "models", "others", "include", "exclude", "max_size", "storage")
_PASSED_ON = (
    *("settings", "project", "entity", "mode", "tags", "resume"),
    *("on_error", "init_timeout", "finish_timeout", "ranks"),
)


class Arguments:
    """The arguments of `wandb_log`, checked; see there.

    Args:
        given: All of them by name.

    Attributes:
        capture: What of the step's variables is kept, and as what.
        passed_on: What `TrackedRun` takes.

    Raises:
        ArgumentError: An argument cannot be used.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        checked = {name: _checked(name, value) for name, value in given.items()}
        self.capture = Capture(**{name: checked[name] for name in _CAPTURE})
        self.passed_on = {name: checked[name] for name in _PASSED_ON}
        self.api_key: Callable[[], str | None] | None = checked["api_key"]
        self.secret: str | None = checked["secret"]
        self.keep_local: bool | None = checked["keep_local"]
        self.card: bool | None = checked["card"]
        check_policy(*(checked[name] for name in ("on_error", "init_timeout", "finish_timeout", "ranks")))

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
    if isinstance(value, HiddenSettings):
        value = value.settings
    elif isinstance(value, str) and name in (*_FLAGS, "resume"):
        value = {"true": True, "false": False}.get(value.lower(), value)
    elif isinstance(value, str) and name == "tags":
        value = [part.strip() for part in value.split(",")]
    fits, problem = _KINDS.get(name, (lambda _: True, ""))
    if not (value is None or fits(value)):
        remedy = {"api_key": _REMEDY, "secret": "Never put the key into code."}.get(name, "")
        raise ArgumentError(name, problem, value, remedy, is_secret=bool(remedy))
    return value


def _is_list_of_str(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(part, str) for part in value)


def _is_name_of_a_variable(value: Any) -> bool:
    """Whether it can be a name rather than a key: keys have 40 characters or more, and small letters among them."""
    return isinstance(value, str) and (len(value) < 40 or value.isupper())


def _is_settings(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(type(value), "model_fields")


_FLAGS = ("keep_local", "card")
_REMEDY = 'Or let @secrets or @environment set an environment variable, and name it: secret="MY_WANDB_KEY".'
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_FLAGS, (lambda value: isinstance(value, bool), "must be True or False")),
    **dict.fromkeys(("project", "entity", "mode"), (lambda value: isinstance(value, str), "must be a str")),
    "tags": (_is_list_of_str, 'must be a list of str, such as ["baseline"]'),
    "settings": (_is_settings, "must be a wandb.Settings or a dict of settings"),
    "ranks": (lambda value: value in ("all", "first"), 'must be "all" or "first"'),
    "secret": (_is_name_of_a_variable, "must be the name of an environment variable"),
    "api_key": (callable, "must be a function that returns the key where the task runs"),
}
