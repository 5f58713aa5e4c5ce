"""The way of a task's values through flytekit, around its function: the run closes when the attempt's outcome is known.

After the function has returned, flytekit converts what it returned, which can fail, too. Without a dispatch (below
`@task`, in a process of an elastic task), the run closes with the function.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any

from flytekit.core.array_node_map_task import ArrayNodeMapTask
from flytekit.core.base_task import IgnoreOutputs
from flytekit.core.interface import transform_function_to_interface
from flytekit.models.literals import LiteralMap
from wandb_track_core import TrackedRun
from wandb_track_core.adapters import fuse

from ._context import map_index
from ._deck import Tab
from ._literals import note
from ._values import Values


@dataclass(eq=False)
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
        returned: What it returned.
        references: The versions that its outputs became; "" for one that became none.
        tab: Shows the run in the task's Deck.
        error: What the function raised.
        process: Where the attempt began.
    """

    function: Any
    literals: Any = None
    interface: Any = None
    is_alone: bool = False
    tracked: TrackedRun | None = None
    values: Values | None = None
    returned: Any = None
    references: list[str] = field(default_factory=list)
    tab: Tab | None = None
    error: BaseException | None = None
    process: int = field(default_factory=os.getpid)

    def end(self, error: BaseException | None = None, outputs: Any = None) -> None:
        """Log the outputs, and close the run with the attempt's outcome."""
        if self.tracked is None:
            return
        cause = self.error or error  # in a container, flytekit wraps what the function raised
        if cause is None and self.values is not None and self.tracked.is_tracked:
            with fuse("logging the task's outputs"):
                interface = self.interface or transform_function_to_interface(self.function.task_function)
                made = outputs.literals if isinstance(outputs, LiteralMap) else {}
                self.references = self.values.end(self.tracked.run, self.returned, interface, made)
        try:
            self.tracked.close(None if isinstance(cause, IgnoreOutputs | GeneratorExit) else cause)
        finally:
            if self.tab is not None:
                self.tab.draw()


@dataclass(eq=False)
class _Map(Dispatch):
    """A map task whose elements run in this process, one after the other."""

    bound: Collection[str] = ()
    elements: list[Dispatch] = field(default_factory=list)

    def element(self) -> Dispatch:
        """The attempt of the next element."""
        literals = _element_of(self.literals, self.bound, len(self.elements))
        self.elements.append(Dispatch(self.function, literals, self.interface))
        return self.elements[-1]

    def end(self, error: BaseException | None = None, outputs: Any = None) -> None:
        """Note the versions that the elements' outputs became, whose literals exist only now."""
        with fuse("noting the elements' outputs"):
            for output in outputs.literals.values() if isinstance(outputs, LiteralMap) else ():
                for dispatch, literal in zip(self.elements, output.collection.literals, strict=True):
                    note(literal, dispatch.references)


_current: ContextVar[Dispatch | None] = ContextVar("wandb_track_flyte_dispatch", default=None)


def dispatch_of(function: Any) -> Dispatch:
    """The dispatch in which a tracked function is called for the first time, or one of its own."""
    dispatch = _current.get()
    # An elastic task forks: its processes have the dispatch of their launcher.
    is_forked = dispatch is not None and dispatch.process != os.getpid()
    if dispatch is None or dispatch.function is not function or dispatch.tracked or is_forked:
        return Dispatch(function, is_alone=True)
    return dispatch


def follow(task: Any, function: Any) -> None:
    """Let a task's dispatch close the run that its tracked function opens.

    Args:
        task: A flytekit task.
        function: Its tracked function.
    """
    task.dispatch_execute = partial(_dispatch_execute, task.dispatch_execute, function, task.python_interface)
    task.execute = partial(_execute, task, function)
    if hasattr(task, "_write_decks"):
        task._write_decks = partial(_write_decks, task._write_decks, task.name)


def _dispatch_execute(inner: Callable[..., Any], function: Any, interface: Any, *args: Any, **kwargs: Any) -> Any:
    return _attempt(Dispatch(function, _inputs(args, kwargs), interface), partial(inner, *args, **kwargs))


def _dispatch_map(mapped: Any, *args: Any, **kwargs: Any) -> Any:
    """In a container, a map task runs one element; locally all of them. Its own dispatch is all that has literals."""
    call = partial(_dispatch, mapped, *args, **kwargs)
    tracked = getattr(getattr(mapped, "python_function_task", None), "dispatch_execute", None)
    if not isinstance(tracked, partial) or tracked.func is not _dispatch_execute:
        return call()
    _, function, interface = tracked.args
    index, literals, bound = map_index(), _inputs(args, kwargs), getattr(mapped, "bound_inputs", ())
    if index is None:
        return _attempt(_Map(function, literals, interface, bound=bound), call)
    return _attempt(Dispatch(function, _element_of(literals, bound, index), interface), call)


_dispatch = ArrayNodeMapTask.dispatch_execute
ArrayNodeMapTask.dispatch_execute = _dispatch_map


def _execute(task: Any, function: Any, **inputs: Any) -> Any:
    of_map, call = _current.get(), partial(type(task).execute, task, **inputs)
    return _attempt(of_map.element(), call) if isinstance(of_map, _Map) and of_map.function is function else call()


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs.get("input_literal_map", args[1] if len(args) > 1 else None)


def _element_of(literals: Any, bound: Collection[str], index: int) -> LiteralMap | None:
    """The inputs of one element, from those of a map task; None where they are not at hand."""
    with suppress(AttributeError, IndexError):
        of_each = literals.literals.items()
        return LiteralMap({name: one if name in bound else one.collection.literals[index] for name, one in of_each})
    return None


def _attempt(dispatch: Dispatch, call: Callable[[], Any]) -> Any:
    with _in(dispatch):
        outputs = call()
    if isawaitable(outputs):
        return _attempt_later(dispatch, outputs)
    dispatch.end(outputs=outputs)
    return outputs


async def _attempt_later(dispatch: Dispatch, outputs: Awaitable[Any]) -> Any:
    with _in(dispatch):
        made = await outputs
    dispatch.end(outputs=made)
    return made


@contextmanager
def _in(dispatch: Dispatch) -> Iterator[None]:
    token = _current.set(dispatch)
    try:
        yield
    except BaseException as error:
        dispatch.end(error)
        raise
    finally:
        _current.reset(token)


def _write_decks(inner: Callable[..., None], name: str, *given: Any) -> None:
    dispatch = _current.get()
    if dispatch is not None and dispatch.tab is not None:
        with fuse("drawing the Deck"):
            given = dispatch.tab.held_back(name, *given)
    inner(*given)


def run(tracked: TrackedRun, call: Callable[[], Any], dispatch: Dispatch) -> Any:
    """Call a function inside a run, which its dispatch closes."""
    with _opened(tracked, dispatch):
        dispatch.returned = call()
    return dispatch.returned


def run_iterator(tracked: TrackedRun, call: Callable[[], Any], dispatch: Dispatch) -> Iterator[Any]:
    """Go through a generator inside a run, which its dispatch closes. One that is left early has not failed."""
    with _opened(tracked, dispatch):
        dispatch.returned = call()
        yield from dispatch.returned


async def run_async_iterator(
    tracked: TrackedRun, call: Callable[[], AsyncIterator[Any]], dispatch: Dispatch
) -> AsyncIterator[Any]:
    """Go through an asynchronous generator, in the same way."""
    with _opened(tracked, dispatch):
        async for item in call():
            yield item


async def run_async(tracked: TrackedRun, call: Callable[[], Any], dispatch: Dispatch) -> Any:
    """Await a coroutine function inside a run, which its dispatch closes."""
    await tracked.__aenter__()
    try:
        with _begun(tracked, dispatch):
            dispatch.returned = await call()
    finally:
        if dispatch.is_alone:
            await asyncio.to_thread(dispatch.end)
    return dispatch.returned


@contextmanager
def _opened(tracked: TrackedRun, dispatch: Dispatch) -> Iterator[None]:
    tracked.open()
    try:
        with _begun(tracked, dispatch):
            yield
    finally:
        if dispatch.is_alone:
            dispatch.end()


@contextmanager
def _begun(tracked: TrackedRun, dispatch: Dispatch) -> Iterator[None]:
    dispatch.tracked = tracked
    try:
        with fuse("preparing the Deck"):
            dispatch.tab = Tab(tracked)
        if dispatch.values is not None and tracked.is_tracked:
            dispatch.values.begin(tracked.run, dispatch.literals)
        yield
    except BaseException as error:
        dispatch.error = error
        raise
    finally:
        tracked.leave()
