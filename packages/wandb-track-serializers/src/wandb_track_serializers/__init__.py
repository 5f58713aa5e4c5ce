"""Values to Weights & Biases artifacts and safely back, in formats that stay readable.

Everything is imported on first use: this module is loaded in each step of a workflow, most of which log nothing
that needs it.
"""

from .__about__ import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._artifacts import from_artifact, to_artifact
    from ._manifest import METADATA_KEY, FileEntry, Manifest
    from ._references import Location, RemoteFile, to_reference
    from ._registry import kind_of, register, serializer_for
    from ._runs import Producer, load_artifact, log_value, use_value
    from ._serializer import Serializer, Source, Target
    from ._summary import to_summary
    from ._values import dump, load
    from .capture import Capture, Decision
    from .errors import (
        IntegrityError,
        LoadError,
        NotRepresentableError,
        RegistrationError,
        SerializerError,
        TooLargeError,
        UnsupportedValueError,
        UntrustedError,
    )

__all__ = [
    "METADATA_KEY",
    "Capture",
    "Decision",
    "FileEntry",
    "IntegrityError",
    "LoadError",
    "Location",
    "Manifest",
    "NotRepresentableError",
    "Producer",
    "RegistrationError",
    "RemoteFile",
    "Serializer",
    "SerializerError",
    "Source",
    "Target",
    "TooLargeError",
    "UnsupportedValueError",
    "UntrustedError",
    "__version__",
    "dump",
    "from_artifact",
    "kind_of",
    "load",
    "load_artifact",
    "log_value",
    "register",
    "serializer_for",
    "to_artifact",
    "to_reference",
    "to_summary",
    "use_value",
]

_MODULES = "errors capture _summary _registry _manifest _serializer _values _references _artifacts _runs"
"""Where the public names are; none of these needs one after it."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home in _MODULES.split() if name in __all__ else ():
        module = import_module(f"{__name__}.{home}")
        if name in vars(module):
            globals()[name] = vars(module)[name]
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
