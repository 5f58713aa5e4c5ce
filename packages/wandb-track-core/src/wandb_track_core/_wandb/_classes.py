"""Subclasses of the client's public classes, which pass every call on and let a guard catch faults of the service.

In a child process, forked or given a pickle, an object is the client's own plain one, which attaches itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any

from wandb_track_core.quiet import QuietRun

from ._private import find

if TYPE_CHECKING:
    from ._guard import Guard

_KEY = "_wandb_track"
"""Where an object of the client holds its guard: in its `__dict__`."""
_CLOSED = "_wandb_track_closed"
_INERT = frozenset(dir(object)) - {"__setattr__", "__delattr__"} | {"__getattribute__", "__deepcopy__", "__copy__"}
"""What makes, copies and shows an object has nothing to do with the service."""


def guard(keeper: Guard, run: Any) -> None:
    """Let a guard stand behind a run, its config and its summary."""
    config, summary = run.config, run.summary
    kinds = (guarded_run(), _guarded_config(config.__class__), _guarded_summary(summary.__class__))
    for part, kind in zip((run, config, summary), kinds, strict=True):
        vars(part)[_KEY] = keeper
        object.__setattr__(part, "__class__", kind)


def user_face(run: Any) -> Any:
    """Another object with the state of a run, for the task's code."""
    face: Any = object.__new__(_user_run())
    object.__setattr__(face, "__dict__", vars(run))
    return face


def watch_end(run: Any, on_end: Callable[[Any], None]) -> None:
    """Call a function once a run that the task's code opened is finished."""
    vars(run)[_CLOSED] = on_end
    object.__setattr__(run, "__class__", _opened_run(run.__class__))


@cache
def guarded_run() -> Any:
    """The class of a run that is guarded."""
    import wandb

    base: Any = wandb.Run
    names = {name for name in dir(base) if not name.startswith("_")}
    names |= {path.rpartition(":")[2] for path in ("Run:_log", "Run:_log_artifact") if find(path) is not None}
    members = _passed_on(base, names, _of_quiet_run)
    finish, define_metric = base.finish, members["define_metric"]
    log_artifact: Any = members.get("_log_artifact")

    @wraps(finish)
    def finish_own(self: Any, *args: Any, **kwargs: Any) -> None:
        keeper: Guard = vars(self)[_KEY]
        with keeper.finishing:
            keeper.call(lambda: finish(keeper.own, *args, **kwargs), lambda: None)

    @wraps(define_metric)
    def define_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        defined = define_metric(self, *args, **kwargs)
        if keeper := _keeper_of(self):
            keeper.metrics.append((args, kwargs))
        return defined

    @wraps(log_artifact or finish)
    def log_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        logged = log_artifact(self, *args, **kwargs)
        if keeper := _keeper_of(self):
            keeper.note_artifact(logged, kwargs)
        return logged

    members |= {"finish": finish_own, "define_metric": define_and_note}
    if log_artifact is not None:
        members["_log_artifact"] = log_and_note
    return _subclass(base, members)


@cache
def _user_run() -> Any:
    import wandb

    def ending(name: str) -> Callable[..., None]:
        def release(self: Any, *args: Any, **kwargs: Any) -> None:
            if keeper := _keeper_of(self):
                keeper.release()
            else:
                getattr(wandb.Run, name)(self, *args, **kwargs)

        return release

    return _subclass(guarded_run(), {name: ending(name) for name in ("finish", "__exit__")}, plain=wandb.Run)


@cache
def released_run() -> Any:
    """The class of the task's run once its code called `finish()`: it looks finished."""
    import wandb

    looks_finished = property(lambda self: True, lambda self, value: None)
    return _subclass(_user_run(), {"_is_finished": looks_finished}, plain=wandb.Run)


@cache
def _opened_run(base: Any) -> Any:
    def ending(name: str) -> Callable[..., Any]:
        def end(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return getattr(base, name)(self, *args, **kwargs)
            finally:
                if on_end := vars(self).pop(_CLOSED, None):
                    on_end(self)

        return end

    return _subclass(base, {name: ending(name) for name in ("finish", "__exit__")})


@cache
def _guarded_config(base: Any) -> Any:
    if hasattr(base, "_plain"):  # guarded already
        return base
    return _subclass(base, _passed_on(base, dir(base), lambda *_: None))


@cache
def _guarded_summary(base: Any) -> Any:
    if hasattr(base, "_plain"):  # guarded already
        return base
    members = _passed_on(base, dir(base), _of_quiet_summary)
    update = members["update"]

    def update_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (keeper := _keeper_of(self)) and args and isinstance(args[0], Mapping):
            keeper.summary = {**keeper.summary, **args[0]}
        return update(self, *args, **kwargs)

    return _subclass(base, {**members, "update": update_and_note})


def _subclass(base: Any, members: dict[str, Any], plain: Any = None) -> Any:
    plain = plain or base

    def reduce(self: Any, protocol: Any) -> Any:
        copy = object.__new__(plain)
        state = {name: value for name, value in vars(self).items() if name not in (_KEY, _CLOSED)}
        object.__setattr__(copy, "__dict__", state)
        function, arguments, *rest = copy.__reduce_ex__(protocol)
        # Not `function` itself: pickle checks that what it makes is of this very class.
        return (partial(function, *arguments), (), *rest)

    members = {**members, "__reduce_ex__": reduce, "_plain": plain, "__module__": plain.__module__}
    return type(base)(
        plain.__name__, (base,), {**members, "__doc__": plain.__doc__, "__qualname__": plain.__qualname__}
    )


def _passed_on(base: Any, names: Any, instead: Callable[..., Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name in set(names) - _INERT:
        member = next((vars(kind)[name] for kind in base.__mro__ if name in vars(kind)), None)
        if isinstance(member, FunctionType):
            members[name] = _pass_on(name, member, instead)
        elif isinstance(member, property):
            get, put = (part and _pass_on(name, part, _known) for part in (member.fget, member.fset))
            members[name] = property(get, put, doc=member.__doc__)
    return members


def _pass_on(name: str, function: Any, instead: Callable[..., Any]) -> Any:
    @wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if keeper := _keeper_of(self):
            return keeper.call(
                lambda: function(self, *args, **kwargs), lambda: instead(keeper, name, function, self, args, kwargs)
            )
        return function(self, *args, **kwargs)

    return call


def _keeper_of(item: Any) -> Guard | None:
    """The guard of an object; in another process it becomes the client's plain one instead."""
    keeper: Guard | None = vars(item).get(_KEY)
    if keeper is not None and keeper.process == os.getpid():
        return keeper
    object.__setattr__(item, "__class__", getattr(type(item), "_plain", type(item)))
    return None


def _of_quiet_run(keeper: Guard, name: str, function: Any, run: Any, args: Any, kwargs: Any) -> Any:
    return getattr(QuietRun(), name)(*args, **kwargs)


def _known(keeper: Guard, name: str, function: Any, run: Any, args: Any, kwargs: Any) -> Any:
    """A property of a muted run: most of them need no service process."""
    if name == "step":
        return vars(run).get("_local_step", 0)
    try:
        return function(run, *args, **kwargs)
    except Exception:
        return getattr(QuietRun(), name)


def _of_quiet_summary(keeper: Guard, name: str, function: Any, summary: Any, args: Any, kwargs: Any) -> Any:
    known = getattr(keeper.quiet_summary, name, None)
    return None if known is None else known(*args, **kwargs)
