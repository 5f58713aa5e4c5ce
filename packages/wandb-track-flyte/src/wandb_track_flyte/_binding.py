"""Between a function and flytekit: above and below `@task`, coroutines, the links of other decorators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flytekit import PythonFunctionTask
from flytekit.core.base_task import Task
from flytekit.core.launch_plan import LaunchPlan
from flytekit.core.utils import ClassDecorator
from flytekit.core.workflow import WorkflowBase
from wandb_track_core import ArgumentError
from wandb_track_core.adapters import notify

from ._dispatch import follow


def bind(target: Any, wrap: Callable[[Callable[..., Any]], Any]) -> Any:
    """Track a task in place and return it, or return a tracked function for a function.

    Args:
        target: What the decorator stands above.
        wrap: Makes the tracked function of a function.
    """
    if not isinstance(target, PythonFunctionTask):
        check_function(target)
        return wrap(target)
    tracked = wrap(target.task_function)
    target._task_function = tracked
    if target.task_function is not tracked:
        notify(f"task {target.name} is not tracked: flytekit keeps its function elsewhere. Please report this")
        return target
    follow(target, tracked)
    # The template of a task asks the function for its links; that of a map task only asks the mapped task's config.
    target.get_config = partial(_with_links, target.get_config, tracked)
    return target


def check_function(target: Any) -> None:
    """Refuse what has no function that could be tracked.

    Raises:
        ArgumentError: Saying what to decorate instead.
    """
    if isinstance(target, Task | WorkflowBase | LaunchPlan) or not callable(target):
        problem = "must be above a task that runs a Python function, or above the function"
        remedy = "Of a workflow or a map task, decorate the tasks themselves. Arguments need their names: project=..."
        raise ArgumentError("@wandb_init", problem, target, remedy)


def pass_as_function(decorator: Any, function: Callable[..., Any]) -> None:
    """Let a decorator pass as the function that it decorates, for whoever looks at it with `inspect`.

    `@task` asks `inspect.iscoroutinefunction`, and other decorators, such as `@vscode`, ask for its source.
    """
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        if hasattr(function, name):
            setattr(decorator, name, getattr(function, name))
    code = getattr(function, "__code__", None)
    decorator.co_filename = getattr(code, "co_filename", "")
    decorator.co_firstlineno = getattr(code, "co_firstlineno", 1)


def with_inner_links(config: dict[str, str], ours: type[ClassDecorator], function: Any) -> dict[str, str]:
    """Add the links of a decorator of another kind below ours: flytekit asks the outermost one alone.

    The platform takes a list of link types, with commas between.
    """
    for one in chain(function):
        if isinstance(one, ClassDecorator) and not isinstance(one, ours):
            inner = dict(one.get_extra_config() or {})
            types = [config[ClassDecorator.LINK_TYPE_KEY], inner.pop(ClassDecorator.LINK_TYPE_KEY, None)]
            if {**config, **inner} != {**inner, **config}:
                return config  # with our host or project, a link of Comet's or Neptune's would lead elsewhere
            return {**inner, **config, ClassDecorator.LINK_TYPE_KEY: ",".join(filter(None, types))}
    return config


def chain(function: Any) -> Iterator[Any]:
    """A function, and what it decorates in turn."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def _with_links(get_config: Callable[..., Any], tracked: ClassDecorator, settings: Any) -> dict[str, str]:
    return {**(get_config(settings) or {}), **tracked.get_extra_config()}
