"""Anything that pickles."""

from __future__ import annotations

from typing import Any

from wandb_track_serializers._kinds import class_name
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import SerializerError, UnsupportedValueError

PROTOCOL = 5  # the first that writes large arrays without a copy in memory; every supported Python reads it


class Pickle(Serializer):
    """A pickle. Reading it runs whatever code it holds."""

    id = "builtins.pickle"
    types = ("builtins:object",)
    format = "pickle"

    def write(self, value: Any, target: Target) -> None:
        """Pickle to ``{name}.pkl``."""
        import pickle

        with target.open(".pkl") as file:
            try:
                pickle.dump(value, file, protocol=PROTOCOL)
            except (SerializerError, OSError, MemoryError):
                raise
            except Exception as error:
                raise cannot_pickle(value, target.name, error) from error

    def read(self, source: Source) -> Any:
        """Unpickle; `load` has made sure that the source is trusted."""
        import pickle

        return pickle.load(source.file)


def cannot_pickle(value: Any, name: str, error: Exception) -> UnsupportedValueError:
    """The error for a value that does not pickle, naming the part of it that is to blame."""
    from wandb_track_serializers._trace import failing_part

    if isinstance(error, RecursionError):
        return UnsupportedValueError(name, class_name(value), "it is nested too deeply to pickle")
    reason = f"{error} ({class_name(error)}); pickle stores no functions or classes defined inside a function,"
    reason += " generators, open files, locks or connections: leave that part out, or define it in a module"
    return UnsupportedValueError(name, class_name(value), reason, failing_part(value, name))
