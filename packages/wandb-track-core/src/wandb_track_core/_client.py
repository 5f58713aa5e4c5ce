"""All that this project does with the wandb client beyond its public API, in one place.

Private parts that are used, and why:
- settings named `x_*`: the only way to bound what a kill loses;
- the names of the `wandb` module (`wandb.log`, `wandb.config`): a run that is opened with
  `reinit="create_new"` does not become what they mean;
- `wandb.sdk.lib.wbauth`: `wandb.init` makes the key of one run the credential of the whole session.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .current import current_frame

if TYPE_CHECKING:
    import wandb

FLUSH_SECONDS = 0.5
"""How often the client writes its transaction log: what a kill can lose. Its own default is 15."""
RELEASE_SECONDS = 5.0
"""How long to wait until the service has let go of a run that failed to open. It takes milliseconds."""

_FUNCTIONS = (
    "log",
    "save",
    "use_artifact",
    "log_artifact",
    "define_metric",
    "alert",
    "mark_preempting",
    "log_model",
    "use_model",
    "link_model",
    "watch",
    "unwatch",
)
MODULE_NAMES = ("run", "config", "summary", *_FUNCTIONS)
"""The names of the `wandb` module that mean the current run."""


def open_run(arguments: Mapping[str, Any], settings: Any, overrides: Mapping[str, Any]) -> wandb.Run:
    """Open a run beside all others: the only call of `wandb.init` in this project.

    Args:
        arguments: `wandb.init`'s own arguments.
        settings: The user's `wandb.Settings` or dictionary of settings, which stays as it is; or None.
        overrides: Settings that the caller decides, such as the key or a timeout; those of value None do not count.

    Returns:
        The open run. It is not yet what `wandb.log` means: see `names_of`.
    """
    import wandb

    own = copy_settings(settings)
    if "x_transaction_log_flush_interval" not in own.model_fields_set:
        overrides = {"x_transaction_log_flush_interval": FLUSH_SECONDS, **overrides}
    for name, value in overrides.items():
        if value is not None and name in type(own).model_fields:
            setattr(own, name, value)
    with _session_credentials_kept(is_keyed=own.api_key is not None):
        run = wandb.init(**{**arguments, "reinit": "create_new", "settings": own})
    _follow_context(wandb)
    return run


def is_mistake_of_the_user(error: BaseException) -> bool:
    """Whether opening failed for a reason that the user has to mend, rather than for a fault of the tracker.

    A request that the server refused (a wrong key, an entity that is not there, a deleted id) comes back as a
    `CommError` at once; where the server could not be reached or kept failing, the client says that it timed out.
    """
    from wandb.errors import CommError

    if isinstance(error, CommError):
        return "timed out" not in str(error).lower()
    from wandb.errors import UsageError

    return isinstance(error, UsageError | TypeError | ValueError)


def is_missing_login(error: BaseException) -> bool:
    """Whether opening failed because there is neither a key nor a login, and no terminal to ask for one."""
    from wandb.errors import UsageError

    return isinstance(error, UsageError) and "No API key configured" in str(error)


def release(run_id: str) -> None:
    """Let go of a run that failed to open: until then the service says that its id is in use."""
    from wandb.sdk import wandb_setup

    service = wandb_setup.singleton().ensure_service()
    _, interface = service.inform_attach(attach_id=run_id)
    interface.deliver_exit(1).wait_or(timeout=RELEASE_SECONDS)
    service.inform_finish(run_id=run_id)


def is_finished(run: wandb.Run) -> bool:
    """Whether somebody finished the run already."""
    return bool(run._is_finished)


def folder_of(run: wandb.Run) -> str:
    """The folder that holds the run's files and its transaction log; what `wandb sync` takes."""
    return str(run.settings.sync_dir)


def copy_settings(settings: Any) -> wandb.Settings:
    """A copy of the user's settings: `wandb.init` writes into the object that it is given."""
    import wandb

    if isinstance(settings, wandb.Settings):
        return settings.model_copy()
    return wandb.Settings(**(settings or {}))


def names_of(run: Any) -> dict[str, Any]:
    """What the names of the `wandb` module mean while `run` is current."""
    return {"run": run, **{name: getattr(run, name) for name in MODULE_NAMES[1:]}}


def follow_context_once_imported() -> None:
    """Let `wandb.log` and its siblings mean the current run, without importing wandb for it.

    A quiet run needs no client, but user code that imports wandb inside the task must find it quiet, too.
    """
    module = sys.modules.get("wandb")
    if module is None:
        if not any(isinstance(finder, _WaitForWandb) for finder in sys.meta_path):
            sys.meta_path.insert(0, _WaitForWandb())
    elif hasattr(module, "init"):
        _follow_context(module)


def _follow_context(module: types.ModuleType) -> None:
    if module.__class__ is not _ContextModule:
        module.__class__ = _ContextModule


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
        frame = current_frame()
        names = module.__dict__ if frame is None else frame.names
        try:
            return names[name]
        except KeyError:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}") from None

    def write(module: types.ModuleType, value: Any) -> None:
        frame = current_frame()
        (module.__dict__ if frame is None else frame.names)[name] = value

    return property(read, write)


for _module_name in MODULE_NAMES:
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
            _follow_context(module)

        spec.loader.exec_module = execute_and_follow  # type: ignore[method-assign]
        return spec


_turn = threading.Condition()
_opening = {True: 0, False: 0}
_kept: list[Any] = []


@contextmanager
def _session_credentials_kept(*, is_keyed: bool) -> Iterator[None]:
    """Keep a run's own key from becoming the session's credential, which later runs would inherit.

    Runs with a key of their own open side by side, and so do runs without; but one kind waits for the other,
    because what the client keeps for the session in the meantime is not to be seen by a run without a key.
    """
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib.wbauth import authenticate

    with _turn:
        _turn.wait_for(lambda: not _opening[not is_keyed])
        _opening[is_keyed] += 1
        session = wandb_setup.singleton().settings
        if is_keyed and _opening[True] == 1:
            _kept[:] = [
                authenticate._session_auth,
                session.api_key,
                session.base_url,
                session.identity_token_file,
            ]
    try:
        yield
    finally:
        with _turn:
            _opening[is_keyed] -= 1
            if is_keyed and not _opening[True]:
                authenticate._session_auth, session.api_key, session.base_url, session.identity_token_file = _kept
                _kept.clear()
            _turn.notify_all()
