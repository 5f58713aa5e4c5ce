"""The decorator of Flyte tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import CodeType
from typing import Any, Literal

from flytekit import Secret
from flytekit.core.base_task import Task
from flytekit.core.utils import ClassDecorator
from wandb_track_core import ArgumentError, TrackedRun
from wandb_track_core.adapters import OnError, Ranks
from wandb_track_serializers import Capture

from . import _arguments, _binding, _context, _deck, _secret
from ._dispatch import dispatch_of, run, run_async, run_async_iterator, run_iterator
from ._values import Values

FLAGS = {"datasets": False, "models": False, "others": False}
CAPTURE = {**FLAGS, "include": None, "exclude": None, "max_size": None, "storage": "copy"}
"""What of the task's values becomes an artifact, each with its default."""
ABOVE_TASK = {**CAPTURE, "parameters": False, "deck": False}
"""What works above `@task` only, each with its default."""
DEFAULT_API_HOST = "https://api.wandb.ai"


class wandb_init(ClassDecorator):  # type: ignore[misc]  # noqa: N801 - used as a function is
    """Track a Flyte task: each attempt of it is one W&B run, closed with the task's true outcome.

    Works above and below `@task`, `@dynamic` and `@eager`, on functions and coroutine functions. Above is the better
    place: only there map tasks have their console link.

    In a container the run's id is the name of the task's pod, so that console links lead to it, or is derived from
    the execution, the node and the attempt; locally W&B makes one. Notes link to the Flyte execution, and the config
    says, below "flyte", which task attempt it was.

    Args:
        task_function: The task, or the function that becomes one; given by Python where this is used as a decorator.
        project: The W&B project.
        entity: The user or team that the project belongs to.
        secret: Where the API key is at run time: a `flytekit.Secret`, which the task has to request with
            `secret_requests=`, or a function without arguments that returns the key. It is asked for when the task
            starts, and only where a server is to be reached. Locally it may be missing: the user's own login serves
            instead, and without one the run is kept offline.
        id: The run's id, instead of the one that follows from the task attempt.
        host: Where people see runs; console links begin with it.
        api_host: The server's API address. Left at its default, `WANDB_BASE_URL` and the client's settings count.
        on_error: What to do where the tracker fails: "offline" goes on with an offline run and says in the end how
            to sync it, "warn" goes on untracked, "raise" lets the task fail.
        init_timeout: Seconds that opening the run may wait for the server.
        finish_timeout: Seconds that closing the run may wait for the server.
        ranks: What the processes of a distributed task (Elastic) do: "first" lets rank 0 open the run and the others
            be quiet, "all" opens a run for each in one group, "shared" lets all write to one run, experimentally.
        parameters: Whether inputs of base types (also enums, dataclasses, dictionaries and lists of them) go to the
            run's config, and outputs of base types to its summary. This and the following work above `@task` only.
        datasets: Whether outputs that are frames, tables, files and folders become artifacts.
        models: Whether outputs that are torch modules and scikit-learn estimators do.
        others: Whether all other outputs that pickle do.
        include: Patterns of names; only inputs and outputs that match are shown. None for all.
        exclude: Patterns of names that are left out.
        max_size: The most bytes of one artifact that is a copy; None for no limit.
        storage: "copy" for artifacts with files of their own; "reference" for artifacts that refer to where Flyte has
            put the outputs' bytes, which are neither read nor written again.
        deck: Whether to enable the task's Deck, as `@task(enable_deck=True)` does. Every Deck of a tracked task has a
            tab "W&B" that shows the run. This works above `@task` only.
        **init_kwargs: Everything else that `wandb.init` takes, such as `config`, `tags`, `notes`, `mode`, `resume` or
            `settings`. `dir` can also be a `FlyteDirectory`, or the name of an input of the task.

    Raises:
        ArgumentError: (a ValueError) An argument is missing or cannot be used. It names the argument.
        MissingKeyError: At run time, in a container: the secret is not there.

    Example:
        ```python
        @wandb_init(project="fraud", entity="my-team", secret=Secret(group="wandb", key="WANDB_API_KEY"))
        @task(secret_requests=[Secret(group="wandb", key="WANDB_API_KEY")])
        def train(epochs: int) -> float: ...
        ```
    """

    # In slots, because `functools.wraps`, which decorators of this kind call, copies everything that lies in the
    # `__dict__` of a decorated decorator over the same names of the decorating one.
    __slots__ = ("decorator_kwargs", "task_function")

    def __new__(cls, task_function: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the task itself, tracked, where one is given instead of a function."""
        if isinstance(task_function, Task):
            return cls(None, *args, **kwargs)(task_function)
        return super().__new__(cls)

    def __init__(
        self,
        task_function: Callable[..., Any] | None = None,
        project: str | None = None,
        entity: str | None = None,
        secret: Secret | Callable[[], str | None] | None = None,
        id: str | None = None,
        host: str = "https://wandb.ai",
        api_host: str = DEFAULT_API_HOST,
        on_error: OnError = "offline",
        init_timeout: float | None = None,
        finish_timeout: float | None = None,
        ranks: Ranks = "first",
        parameters: bool = False,
        datasets: bool = False,
        models: bool = False,
        others: bool = False,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        max_size: int | None = None,
        storage: Literal["copy", "reference"] = "copy",
        deck: bool = False,
        **init_kwargs: Any,
    ) -> None:
        arguments = {**locals(), **init_kwargs}
        for name in ("self", "__class__", "task_function", "init_kwargs"):
            del arguments[name]
        if task_function is not None:
            _binding.check_function(task_function)
        _arguments.check(arguments)
        _capture(arguments)  # which refuses what it cannot use
        super().__init__(task_function, **arguments)
        if task_function is not None:
            if any(isinstance(one, wandb_init) for one in _binding.chain(task_function)):
                raise ArgumentError("@wandb_init", "is there twice, above and below", remedy="Use one for each task.")
            _binding.pass_as_function(self, task_function)

    # `inspect.getsourcefile` takes functions and code objects alone. As a function it would be pickled as one.
    __class__: Any = property(lambda self: type(self) if self.task_function is None else CodeType)

    def __reduce__(self) -> Any:
        return partial(type(self), **self.decorator_kwargs), (self.task_function,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate a function or a task; once that is done, run the function, tracked."""
        if self.task_function is not None:
            return self.execute(*args, **kwargs)
        for name, default in ABOVE_TASK.items() if not isinstance(args[0], Task) else ():
            if self.decorator_kwargs[name] != default:
                problem = "needs the task itself, with its inputs and outputs, which only a decorator above @task sees"
                raise ArgumentError(name, problem, remedy="Put @wandb_init above @task.")
        bound = _binding.bind(args[0], partial(type(self), **self.decorator_kwargs))
        if self.decorator_kwargs["deck"]:
            _deck.enable(bound)
        return bound

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task's function inside a run."""
        function = self.task_function
        call = partial(function, *args, **kwargs)
        dispatch, tracked = dispatch_of(self), self._run(args, kwargs)
        if any(self.decorator_kwargs[flag] for flag in ("parameters", *FLAGS)):
            given, name = self.decorator_kwargs, getattr(function, "__name__", "output")
            inputs = _arguments.named(function, args, kwargs)
            dispatch.values = Values(_capture(given), given["parameters"], given["entity"], name, inputs)
        if isgeneratorfunction(function):
            return run_iterator(tracked, call, dispatch)
        if isasyncgenfunction(function):
            return run_async_iterator(tracked, call, dispatch)
        return (run_async if iscoroutinefunction(function) else run)(tracked, call, dispatch)

    def get_extra_config(self) -> dict[str, str]:
        """What clusters' templates of console links need, for the `config` of the task's template."""
        given = self.decorator_kwargs
        config = {
            "project": given["project"],
            "entity": given["entity"],
            "host": given["host"].rstrip("/"),
            self.LINK_TYPE_KEY: "wandb-execution-id" if given["id"] is None else "wandb-custom-id",
        }
        if given["id"] is not None:
            config["id"] = given["id"]
        return _binding.with_inner_links(config, type(self), self.task_function)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TrackedRun:
        given = {name: value for name, value in self.decorator_kwargs.items() if name not in ABOVE_TASK}
        function = self.task_function
        secret, api_host, _ = given.pop("secret"), given.pop("api_host"), given.pop("host")
        _context.check_running(function)
        identity = _context.identity_of(function)
        in_container = _context.is_in_container()
        if "dir" in given:
            place = given["dir"]
            given["dir"] = lambda: _arguments.folder(place, _arguments.named(function, args, kwargs))
        return TrackedRun(
            identity,
            api_key=lambda: _secret.key_of(secret, in_container),
            base_url=None if api_host == DEFAULT_API_HOST else api_host,
            in_container=in_container,
            store=_context.raw_output_store() if in_container else None,
            **given,
        )


def _capture(given: Mapping[str, Any]) -> Capture:
    """What of the task's values becomes an artifact."""
    return Capture(**{name: given[name] for name in CAPTURE})
