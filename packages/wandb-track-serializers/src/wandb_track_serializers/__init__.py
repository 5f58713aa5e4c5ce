"""Values to Weights & Biases artifacts and safely back, in formats that stay readable.

Everything is imported on first use: this module is loaded in each step of a workflow, most of which log nothing
that needs it.
"""

from .__about__ import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._artifact import METADATA_KEY, from_artifact, to_artifact
    from ._kinds import kind_of
    from ._logging import log_value, use_value
    from ._manifest import FileEntry, Manifest
    from ._reference import MadeBy, load_artifact
    from ._registry import register, serializer_for
    from ._serializer import Serializer, Source, Target
    from ._store import dump, load
    from ._summary import to_summary
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

_HOMES = {
    "_artifact": ("METADATA_KEY", "from_artifact", "to_artifact"),
    "_kinds": ("kind_of",),
    "_logging": ("log_value", "use_value"),
    "_manifest": ("FileEntry", "Manifest"),
    "_reference": ("MadeBy", "load_artifact"),
    "_registry": ("register", "serializer_for"),
    "_serializer": ("Serializer", "Source", "Target"),
    "_store": ("dump", "load"),
    "_summary": ("to_summary",),
    "errors": (
        "IntegrityError",
        "LoadError",
        "NotRepresentableError",
        "RegistrationError",
        "SerializerError",
        "TooLargeError",
        "UnsupportedValueError",
        "UntrustedError",
    ),
}

__all__ = [
    "METADATA_KEY",
    "FileEntry",
    "IntegrityError",
    "LoadError",
    "MadeBy",
    "Manifest",
    "NotRepresentableError",
    "RegistrationError",
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
    "to_summary",
    "use_value",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
