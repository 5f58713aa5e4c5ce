"""What `wandb.log`, `wandb.config` and their siblings mean inside a tracked task."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from functools import partial
from typing import Any

from wandb_track_core.current import current_frame

MODULE_NAMES = (
    *("run", "config", "summary", "log", "save", "use_artifact", "log_artifact", "define_metric", "alert"),
    *("mark_preempting", "log_model", "use_model", "link_model", "watch", "unwatch"),
)
"""The names of the `wandb` module that mean the current run."""
FUNCTIONS = ("init", "agent", "teardown")
"""Its functions that would replace, finish or kill the task's run."""
_clients: dict[str, Any] = {}
"""What the client does in each of them that leads to the task by itself."""


def follow_context_once_imported() -> None:
    """Let `wandb.log` and its siblings mean the current run, without importing wandb for it.

    A quiet run needs no client, but user code that imports wandb inside the task must find it quiet, too.
    """
    module = sys.modules.get("wandb")
    if module is None:
        if not any(isinstance(finder, _WaitForWandb) for finder in sys.meta_path):
            sys.meta_path.insert(0, _WaitForWandb())
    elif hasattr(module, "init"):
        follow_context(module)


def follow_context(module: types.ModuleType) -> None:
    """Let the module's names mean the current run from now on."""
    if module.__class__ is not _ContextModule:
        module.__class__ = _ContextModule
        for name in FUNCTIONS:
            _lead(name, module)


def client_function(name: str) -> Any:
    """What a function of the module does without us."""
    return _clients.get(name) or vars(sys.modules["wandb"])[name]


def _lead(name: str, module: types.ModuleType) -> None:
    """Let one of the client's functions call what it means where it is called.

    User code may hold it from before (`from wandb import init`), and may have put a wrapper around it in its place.
    """
    for holder in (module, sys.modules.get("wandb.sdk")):
        function: Any = getattr(holder, name, None)
        if _is_of_client(function):
            from inspect import signature

            client: Any = types.FunctionType(function.__code__, function.__globals__, name, function.__defaults__)
            client.__kwdefaults__ = function.__kwdefaults__
            vars(function)["__signature__"] = signature(function)
            _clients[name] = client
            function.__kwdefaults__ = {"_answer": partial(_answer, name, client)}
            function.__code__ = _call.__code__
            return


def _is_of_client(function: Any) -> bool:
    is_plain = isinstance(function, types.FunctionType) and function.__closure__ is None
    return is_plain and function.__module__.startswith("wandb.")


def _call(*args: Any, _answer: Any, **kwargs: Any) -> Any:
    return _answer(*args, **kwargs)


def _answer(name: str, client: Any, /, *args: Any, **kwargs: Any) -> Any:
    frame = current_frame()
    return (client if frame is None else frame.functions[name])(*args, **kwargs)


class _ContextModule(types.ModuleType):
    """The `wandb` module, with names that mean the run of the context in which they are read.

    Assigning them one after the other as runs open and close, as the client does, would mix up the runs of
    tasks that run at the same time. Outside of tracked tasks the module's own values stand.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle knows plain modules by their exact class only.
        return importlib.import_module, (self.__name__,)


def _name(name: str) -> property:
    def read(module: types.ModuleType) -> Any:
        frame = None if name in _clients else current_frame()
        if frame is not None:
            run = frame.current
            if name in FUNCTIONS:
                return frame.functions[name]
            if name in frame.assigned:
                return frame.assigned[name]
            found = run if name == "run" else getattr(run, name, None)
            if found is not None:
                return found
        try:
            return module.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}") from None

    def write(module: types.ModuleType, value: Any) -> None:
        frame = None if name in _clients else current_frame()
        if frame is not None and name in FUNCTIONS:
            frame.functions[name] = value
        elif frame is None or frame.current is None:
            module.__dict__[name] = value
        elif value is not None and value is module.__dict__.get(name):
            frame.assigned.pop(name, None)  # a mock that ends puts back what it has read there
        else:
            frame.assigned[name] = value

    return property(read, write)


for _module_name in (*MODULE_NAMES, *FUNCTIONS):
    setattr(_ContextModule, _module_name, _name(_module_name))


class _WaitForWandb:
    """An import hook that lets wandb be imported as ever, and then follow the context."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "wandb":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_follow(module: types.ModuleType) -> None:
            execute(module)
            follow_context(module)

        spec.loader.exec_module = execute_and_follow  # type: ignore[method-assign]
        return spec
