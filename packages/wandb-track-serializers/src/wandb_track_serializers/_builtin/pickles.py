"""Anything that pickles."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from wandb_track_serializers._kinds import class_name, is_a, leaves
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import SerializerError, UnsupportedValueError

PROTOCOL = 5  # the first that writes large arrays without a copy in memory; every supported Python reads it
_ZIP = b"PK\x03\x04"
"""How files of torch.save begin, and no pickle."""


class Pickle(Serializer):
    """A pickle; of a value with tensors in it, one by torch.save. Reading it runs whatever code it holds."""

    id = "builtins.pickle"
    types = ("builtins:object",)
    format = "pickle"
    version = 2
    advice = (
        "pickle stores no functions or classes defined inside a function, generators, open files, locks or connections:"
        " leave that part out, or define it in a module"
    )
    """What an error says to do."""

    def write(self, value: Any, target: Target) -> None:
        """Pickle to ``{name}.pkl``."""
        try:
            self._dump(value, target)
        except (SerializerError, OSError, MemoryError):
            raise
        except Exception as error:
            raise self._error(value, target.name, error) from error

    def _dump(self, value: Any, target: Target) -> None:
        import pickle

        with target.open(".pkl") as file:
            if not _holds_tensors(value):
                pickle.dump(value, file, protocol=PROTOCOL)
                return
            try:
                import_module("torch").save(value, file)
            except Exception as error:
                if isinstance(error.__context__, SerializerError | OSError):  # behind torch's own
                    raise error.__context__ from None
                raise

    def read(self, source: Source) -> Any:
        """Unpickle, with all tensors on the CPU; `load` has made sure that the source is trusted."""
        import pickle

        if source.file.peek(len(_ZIP)).startswith(_ZIP):  # type: ignore[attr-defined]
            return import_module("torch").load(source.file, map_location="cpu", weights_only=False)
        return pickle.load(source.file)

    def _error(self, value: Any, name: str, error: Exception) -> UnsupportedValueError:
        """The error for a value that does not pickle, naming the part of it that is to blame."""
        from wandb_track_serializers._trace import failing_part

        if isinstance(error, RecursionError):
            return UnsupportedValueError(name, class_name(value), "it is nested too deeply to pickle")
        reason = f"{error} ({class_name(error)}); {self.advice}"
        return UnsupportedValueError(name, class_name(value), reason, failing_part(value, name))


def _holds_tensors(value: Any) -> bool:
    """Whether a value is a module or tensor, or a container of them.

    Of tensors, pickle itself keeps neither each dtype nor what they share, and reads those of a GPU only where one is.
    """
    return any(is_a(one, "torch", "Tensor") or is_a(one, "torch.nn", "Module") for one in (value, *leaves(value)))
