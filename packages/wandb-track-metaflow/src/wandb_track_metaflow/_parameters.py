"""The flow's parameters, for the config of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._metaflow_internals import included_file, parameters
from ._outputs import shown

if TYPE_CHECKING:
    from ._arguments import Arguments
    from ._identity import Task


def config_of(task: Task, arguments: Arguments) -> dict[str, Any]:
    """Parameters and `Config` values by name; of an `IncludeFile` its size and hash, never its contents.

    The key "metaflow" says which task it was: a parameter of this name is called "parameter_metaflow".
    """
    capture = arguments.capture()
    return {
        "parameter_metaflow" if name == "metaflow" else name: shown(included_file(value) or value, arguments.max_size)
        for name, value in parameters(task.inputs[0][0]).items()
        if capture.shows(name)
    }
