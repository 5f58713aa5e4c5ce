"""The public decorator `wandb_log`, for steps and for flows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from wandb_track_core import ArgumentError
from wandb_track_core.adapters import OnError, unexpected_argument

from ._arguments import Arguments
from ._metaflow_internals import is_delayed

if TYPE_CHECKING:
    import wandb


def wandb_log(
    func: Any = None,
    /,
    datasets: bool = False,
    models: bool = False,
    others: bool = False,
    settings: wandb.Settings | dict[str, Any] | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
    mode: str | None = None,
    tags: Sequence[str] | None = None,
    resume: bool | str | None = None,
    api_key: Callable[[], str] | None = None,
    secret: str | None = None,
    include: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    max_size: int | None = None,
    on_error: OnError | None = None,
    init_timeout: float | None = None,
    finish_timeout: float | None = None,
    ranks: Literal["all", "first"] | None = None,
    keep_local: bool | None = None,
    card: bool | None = None,
    storage: Literal["copy", "reference"] = "copy",
    **unknown: Any,
) -> Any:
    """Track each task of a step, or of all steps of a flow, as a W&B run.

    Above a step it decorates that step; above a flow it decorates every step that has no `wandb_log` of its own.
    Parameters go to the run's config, base types that a step sets go to its summary, and the rest becomes artifacts,
    each kind if its flag is set. What the step read is linked as an input, in exactly the version that it read.

    Args:
        func: The step or the flow, where the decorator has no arguments.
        datasets: Log DataFrames, tables, series and paths.
        models: Log torch modules and scikit-learn estimators.
        others: Log anything else that can be pickled.
        settings: A `wandb.Settings` or a dictionary of settings. It is not changed. The group is `{flow}/{run id}`
            and the job type `{step}` unless it says otherwise.
        project: As `wandb.init` takes it; likewise `entity`, `mode`, `tags`, `resume`.
        entity: See `project`.
        mode: See `project`.
        tags: See `project`.
        resume: See `project`.
        api_key: A function that returns the key, called where the task runs.
        secret: The name of the environment variable in which the task finds the key.
        include: Names or patterns ("raw_*") of variables and parameters: only these are shown to W&B.
        exclude: Names or patterns of variables and parameters that are not.
        max_size: The most bytes of a single artifact that is a copy; larger ones are left out, and one line names them.
        on_error: What to do where the tracker fails: "offline" (the default: keep the run on disk), "warn" (go on
            untracked) or "raise".
        init_timeout: Seconds that opening a run may wait for the server.
        finish_timeout: Seconds that closing a run may wait for the server.
        ranks: Of a `num_parallel` step, track "all" nodes (the default: each is a task of its own, with a run of its
            own) or only the "first".
        keep_local: Whether the folder of a run stays that was stored in the datastore. None, the default, keeps it,
            except in a remote task.
        card: Whether the task gets a Metaflow card that shows its run. None: where the step has no @card.
        storage: "copy" for artifacts with files of their own; "reference" for artifacts that refer to what Metaflow
            has stored, which is neither read nor written again. `load` reads it back, with `trusted=True` alone.
        **unknown: Nothing else: a misspelt name raises.

    Returns:
        The step or flow, for Metaflow to run; a decorator where there was none yet.

    Raises:
        ArgumentError: An argument cannot be used, or the decorator stands where it cannot work.
    """
    arguments = locals()
    for name in unknown:
        raise unexpected_argument("wandb_log()", name, DEFAULTS)
    given = {name: arguments[name] for name in DEFAULTS if arguments[name] is not None}
    if not any(is_delayed(value) for value in given.values()):
        Arguments({**DEFAULTS, **given})
    return partial(_decorate, given) if func is None else _decorate(given, func)


DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(wandb_log).parameters.items()
    if name not in ("func", "unknown")
}
"""The arguments of `wandb_log`, as Metaflow's own decorator takes them."""


def _decorate(given: dict[str, Any], decorated: Any) -> Any:
    """Metaflow's own way of decorating a step, or a flow."""
    from metaflow.flowspec import FlowSpec
    from metaflow.user_decorators.user_flow_decorator import FlowMutator
    from metaflow.user_decorators.user_step_decorator import UserStepDecoratorBase

    if isinstance(decorated, FlowMutator) or (isinstance(decorated, type) and issubclass(decorated, FlowSpec)):
        extension = import_module("metaflow_extensions.wandb_track.plugins.wandb_log_flow")  # a folder, not a package
        return extension.WandbLogFlow(**given)(decorated)
    if isinstance(decorated, UserStepDecoratorBase) or hasattr(decorated, "is_step"):
        from metaflow import wandb_log as native  # type: ignore[attr-defined] # ours, as Metaflow exports it

        return native(**given)(decorated) if given else native(decorated)
    problem = "must be above @step, or above a class that is a FlowSpec"
    raise ArgumentError("@wandb_log", problem, decorated, "Swap the two lines if it is below @step.")
