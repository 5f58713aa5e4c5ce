"""The same answers in less time, for what the client does when it is imported and when it opens a run."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._private import find, replace

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_STAGED_INPUTS = "wandb.sdk.launch.inputs.internal"
POLL_SECONDS = 0.005
"""How often the client looks whether its service is there, which takes some 30 ms; on its own it looks after 200."""


@contextmanager
def docstrings_unread() -> Iterator[None]:
    """Within this, the client is imported without a look for its settings' docstrings in its own source.

    pydantic looks at each module that is there for each of the client's models, which takes a third of the import, and
    more the more is imported. It puts what it finds into the models' JSON schemas, which nobody asks a run for.
    """
    name = "pydantic._internal._fields:extract_docstrings_from_cls"
    if (read := find(name)) is None:
        yield
        return

    def read_others(model: type, *args: Any, **kwargs: Any) -> dict[str, str]:
        return {} if model.__module__.startswith("wandb.") else read(model, *args, **kwargs)

    replace(name, lambda read: read_others)
    try:
        yield
    finally:
        replace(name, lambda read_others: read)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Within this, no garbage is collected: an import makes hardly any, and looking for it takes a tenth of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def speed_up() -> None:
    """Replace what takes long when a run is opened, once."""
    from wandb import util

    if getattr(util, "working_set", None) is _installed:
        return
    replace("wandb.util:working_set", lambda working_set: _installed)
    replace("wandb.sdk.lib.service.service_port_file:_SLEEP", lambda sleep: _sleep_shortly)
    replace("Run:_detect_and_apply_job_inputs", _only_if_any_are_staged)


def _only_if_any_are_staged(apply_inputs: Any) -> Any:
    # Inputs of a launch job can be staged only by what has imported the module that holds them, and importing that
    # module takes longer than everything else that opening a run does.
    def apply_inputs_if_any_are_staged(run: Any, *args: Any, **kwargs: Any) -> Any:
        return apply_inputs(run, *args, **kwargs) if _STAGED_INPUTS in sys.modules else None

    return apply_inputs_if_any_are_staged


def _sleep_shortly(seconds: float) -> None:
    time.sleep(min(seconds, POLL_SECONDS))


def _installed() -> Iterator[Any]:
    """The installed distributions, for the run's requirements: from the first lines of their metadata alone."""
    from importlib.metadata import distributions

    from wandb.util import InstalledDistribution

    for distribution in distributions():
        name, version = _name_and_version(distribution)
        if name and version:
            yield InstalledDistribution(key=name, version=version)


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Both as the metadata state them (https://packaging.python.org/specifications/core-metadata)."""
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:
        return "", ""
    found = {"Name": "", "Version": ""}
    for line in text.splitlines():
        field, colon, value = line.partition(":")
        if not colon:
            break
        if field in found:
            found[field] = value.strip()
            if all(found.values()):
                break
    return found["Name"], found["Version"]
