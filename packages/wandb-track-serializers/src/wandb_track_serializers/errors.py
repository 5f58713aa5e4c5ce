"""What can go wrong between a value and its files. Each error names the value and what to do about it."""

from __future__ import annotations

from wandb_track_core.errors import TrackError


class SerializerError(TrackError):
    """Base of this package's errors."""


class RegistrationError(SerializerError, ValueError):
    """A serializer cannot be registered, or is none."""


class UnsupportedValueError(SerializerError):
    """A value cannot be written to files.

    Attributes:
        name: The name that the value was to have.
        class_name: The value's class, with its module.
        part: The part of the value that is at fault, such as ``model.hooks[3]``; None where it is not known.
    """

    def __init__(self, name: str, class_name: str, reason: str, part: str | None = None) -> None:
        """Build the message from its parts."""
        at = f" at {part}" if part else ""
        super().__init__(f"{name!r} ({class_name}) cannot be written{at}: {reason}")
        self.name = name
        self.class_name = class_name
        self.part = part


class NotRepresentableError(SerializerError):
    """Raised by a serializer whose format cannot hold a value: it is pickled instead, with this as its note."""


class TooLargeError(SerializerError):
    """A value is larger than `max_size` allows.

    Attributes:
        name: The value's name.
        size: In bytes: what the value takes, or had taken when this was seen.
        limit: In bytes.
    """

    def __init__(self, name: str, size: int, limit: int, remedy: str) -> None:
        """Build the message from its parts."""
        super().__init__(f"{name!r} takes {size:,} bytes or more, over the limit of {limit:,}: {remedy}")
        self.name = name
        self.size = size
        self.limit = limit


class LoadError(SerializerError):
    """Files cannot be read back: a version, a library or a class does not fit, or they are damaged."""


class IntegrityError(LoadError):
    """Files are not what their manifest says, or the manifest asks for what no manifest may."""


class UntrustedError(LoadError):
    """Loading would run code that comes with the files, and `trusted=True` was not given.

    Attributes:
        serializer: The id of the serializer that would run it.
        class_name: The class that the value is said to be of.
    """

    def __init__(self, message: str, serializer: str, class_name: str) -> None:
        """Keep what the message is about."""
        super().__init__(message)
        self.serializer = serializer
        self.class_name = class_name
