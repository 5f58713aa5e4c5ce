"""Every private name of the client, and of what it stands on, that this project uses: one table, one way to find them.

Each is optional. Where one is missing, or cannot be used, the feature that rests on it is off and one line says so;
a speed-up goes without a word.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from wandb_track_core._notify import notify


class PrivateName(NamedTuple):
    """A private name.

    Attributes:
        path: "module:attribute.attribute"; "Run" and "Session" stand for what `find` is given.
        purpose: What it is used for.
        lost: What a user loses without it; empty for a speed-up.
    """

    path: str
    purpose: str
    lost: str = ""


PRIVATE_NAMES = (
    PrivateName(
        "Run:_log",
        "the hooks of wandb.watch and of TensorBoard log through it",
        "if the service process dies, such a hook raises",
    ),
    PrivateName(
        "Run:_log_artifact",
        "every way of logging an artifact goes through it",
        "an upload that fails is not reported, and an offline run's own artifacts cannot be moved with its folder",
    ),
    PrivateName(
        "Run:_is_finished",
        "after the task's code called finish(), its run looks finished to it",
        "what a task logs after its own finish() still goes to its run",
    ),
    PrivateName(
        "Run:_local_step",
        "the next step, when a run goes on after its service process died",
        "after the service process died, steps begin at 0 again",
    ),
    PrivateName(
        "Run:_interface",
        "whether an upload still moves, when a run is closed",
        "an upload that takes longer than finish_timeout is cut off",
    ),
    PrivateName(
        "wandb.sdk.lib.wbauth:authenticate",
        "a run's own key does not become the key of later runs in the process",
        "a run's key also serves later runs of this process that name none",
    ),
    PrivateName(
        "wandb.sdk.lib.config_util:dict_from_config_file",
        "to read what an agent wrote of a sweep's trial",
        "the runs of a sweep that an agent runs inside a task do not have the sweep's parameters in their config",
    ),
    PrivateName(
        "wandb.sdk.wandb_setup:_singleton",
        "whether the client's session has begun, before its environment variables are set",
        "where the network is gone, the process may end 10 s later",
    ),
    PrivateName(
        "wandb.sdk.wandb_setup:_WandbSetup.ensure_service",
        "to release the id of a run that failed to open",
        "a run that could not be opened online is kept offline under another id",
    ),
    PrivateName(
        "Session:_connection._proc._process",
        "to kill a service process that hangs",
        "a service process that hangs stays behind, and keeps the output of this process open",
    ),
    PrivateName(
        "wandb.sdk.lib.identity:_RESOLVE_TIMEOUT_SECONDS",
        "to bound how long the client verifies a key, which it does before init_timeout counts",
        "where the server does not answer, opening a run may take 6 s longer",
    ),
    PrivateName("pydantic._internal._fields:extract_docstrings_from_cls", "a faster import of the client"),
    PrivateName("wandb.sdk.lib.service.service_port_file:_SLEEP", "a faster start of the service process"),
    PrivateName("wandb.util:working_set", "a faster list of installed packages"),
    PrivateName("Run:_detect_and_apply_job_inputs", "a run opens without the client's import of launch"),
)
_KNOWN = {name.path: name for name in PRIVATE_NAMES}
_missing: set[str] = set()


def find(path: str, owner: Any = None) -> Any:
    """What a private name stands for; None where the installed client has no such name.

    Args:
        path: As in the table.
        owner: The run or the session, for a name that begins so; None for the class of runs.
    """
    try:
        owner, attribute = _owner_of(path, owner)
        return getattr(owner, attribute)
    except (ImportError, AttributeError):
        _report_missing(path)
        return None


def replace(path: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` returns for a private name in its place; do nothing where there is no such name.

    Args:
        path: As in the table.
        make: Given what the name stands for.
    """
    if (found := find(path)) is not None:
        setattr(*_owner_of(path), make(found))


def _report_missing(path: str) -> None:
    """Print once in a process what is lost without a private name."""
    lost = _KNOWN[path].lost
    if lost and path not in _missing:
        _missing.add(path)
        version = getattr(sys.modules.get("wandb"), "__version__", "")
        notify(f"wandb {version} differs from the versions that wandb-track knows: {lost}")


def _owner_of(path: str, owner: Any = None) -> tuple[Any, str]:
    module, _, attributes = path.partition(":")
    *parents, attribute = attributes.split(".")
    if owner is None:
        owner = importlib.import_module("wandb").Run if module == "Run" else importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, attribute
