"""The way of a task's values through flytekit, around its function: the run closes when the attempt's outcome is known.

After the function has returned, flytekit converts what it returned, which can fail, too. Without a dispatch (below
`@task`, in an element of a map task or a process of an elastic task), the run closes with the function.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable
from typing import Any

from flytekit.core.base_task import IgnoreOutputs
from flytekit.core.interface import transform_function_to_interface
from wandb_track_core import TrackedRun
from wandb_track_core.adapters import fuse

from ._deck import Tab, tab_of
from ._values import Values


class Dispatch:
    """One attempt of a task, from its input literals to its output literals.

    Args:
        function: The tracked function of the task.
        literals: The `LiteralMap` of its inputs; None where it is not at hand.
        interface: The task's Python interface; None for that of the function.
        is_alone: Whether flytekit does not tell when the attempt ends: it ends with the function.

    Attributes:
        tracked: The run, once the function has begun.
        values: What puts inputs and outputs on the run.
        returned: What the function returned.
        tab: Shows the run in the task's Deck.
    """

    def __init__(self, function: Any, literals: Any = None, interface: Any = None, is_alone: bool = False) -> None:
        self.function = function
        self.literals = literals
        self.interface = interface
        self.is_alone = is_alone
        self.returned: Any = None
        self.values: Values | None = None
        self.inputs: dict[str, Any] = {}
        self.tracked: TrackedRun | None = None
        self.tab: Tab | None = None
        self.error: BaseException | None = None
        self._process = os.getpid()

    @property
    def is_of_this_process(self) -> bool:
        """False in a process that was forked by the attempt, such as one of an elastic task."""
        return self._process == os.getpid()

    def end(self, error: BaseException | None = None, outputs: Any = None) -> None:
        """Log the outputs, and close the run with the attempt's outcome."""
        run = None if self.tracked is None else self.tracked.run
        cause = self.error or error  # in a container, flytekit wraps what the function raised
        if cause is None and self.values is not None and run is not None and not run.disabled:
            with fuse("logging the task's outputs"):
                interface = self.interface or transform_function_to_interface(self.function.task_function)
                self.values.end(run, self.returned, interface, outputs)
        try:
            if self.tracked is not None:
                self.tracked.close(None if isinstance(cause, IgnoreOutputs) else cause)
        finally:
            if self.tab is not None:
                self.tab.draw()


_current: ContextVar[Dispatch | None] = ContextVar("wandb_track_flyte_dispatch", default=None)


def dispatch_of(function: Any) -> Dispatch:
    """The dispatch in which a tracked function is called for the first time, or one of its own."""
    dispatch = _current.get()
    if dispatch is None or dispatch.function is not function or not dispatch.is_of_this_process or dispatch.tracked:
        return Dispatch(function, is_alone=True)
    return dispatch


def follow(task: Any, function: Any) -> None:
    """Let a task's dispatch close the run that its tracked function opens.

    Args:
        task: A flytekit task.
        function: Its tracked function.
    """
    task.dispatch_execute = partial(_dispatch_execute, task.dispatch_execute, function, task.python_interface)
    if hasattr(task, "_write_decks"):
        task._write_decks = partial(_write_decks, task._write_decks, task.name)


def _dispatch_execute(inner: Callable[..., Any], function: Any, interface: Any, *args: Any, **kwargs: Any) -> Any:
    literals = kwargs.get("input_literal_map", args[1] if len(args) > 1 else None)
    dispatch = Dispatch(function, literals, interface)
    token = _current.set(dispatch)
    try:
        outputs = inner(*args, **kwargs)
        if isawaitable(outputs):
            return _end_later(dispatch, outputs)
    except BaseException as error:
        dispatch.end(error)
        raise
    finally:
        _current.reset(token)
    dispatch.end(outputs=outputs)
    return outputs


def _write_decks(inner: Callable[..., None], name: str, *given: Any) -> None:
    dispatch = _current.get()
    if dispatch is None or dispatch.tab is None:
        inner(*given)
    else:
        dispatch.tab.write_decks(inner, name, *given)


def run(tracked: TrackedRun, call: Callable[[], Any], dispatch: Dispatch) -> Any:
    """Call a function inside a run, which its dispatch closes."""
    tracked.open()
    try:
        with _of_dispatch(tracked, dispatch):
            dispatch.returned = call()
    finally:
        if dispatch.is_alone:
            dispatch.end()
    return dispatch.returned


async def run_async(tracked: TrackedRun, call: Callable[[], Any], dispatch: Dispatch) -> Any:
    """Await a coroutine function inside a run, which its dispatch closes."""
    await tracked.__aenter__()
    try:
        with _of_dispatch(tracked, dispatch):
            dispatch.returned = await call()
    finally:
        if dispatch.is_alone:
            await asyncio.to_thread(dispatch.end)
    return dispatch.returned


@contextmanager
def opened_alone(tracked: TrackedRun) -> Iterator[None]:
    """A run around a generator: one that nobody reads to its end has not failed."""
    tracked.open()
    tab = tab_of(tracked)
    try:
        yield
    except BaseException as error:
        tracked.close(None if isinstance(error, GeneratorExit) else error)
        raise
    else:
        tracked.close()
    finally:
        if tab is not None:
            tab.draw()


@contextmanager
def _of_dispatch(tracked: TrackedRun, dispatch: Dispatch) -> Iterator[None]:
    dispatch.tracked = tracked
    try:
        dispatch.tab = tab_of(tracked)
        if dispatch.values is not None and tracked.run is not None and not tracked.run.disabled:
            dispatch.values.begin(tracked.run, dispatch.inputs, dispatch.literals)
        yield
    except BaseException as error:
        dispatch.error = error
        raise
    finally:
        tracked.leave()


async def _end_later(dispatch: Dispatch, outputs: Any) -> Any:
    token = _current.set(dispatch)
    try:
        outputs = await outputs
    except BaseException as error:
        dispatch.end(error)
        raise
    finally:
        _current.reset(token)
    dispatch.end(outputs=outputs)
    return outputs
