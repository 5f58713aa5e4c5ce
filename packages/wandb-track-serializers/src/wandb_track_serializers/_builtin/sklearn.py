"""scikit-learn's estimators, pipelines and meta-estimators."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from wandb_track_serializers._kinds import class_name, is_a
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import (
    NotRepresentableError,
    SerializerError,
    UntrustedError,
)

from .pickles import PROTOCOL, Pickle


class SklearnPickle(Pickle):
    """A pickle, as scikit-learn's documentation has it: for the version that wrote it.

    Functions that pickle cannot store by name (lambdas, local ones) are stored by value where cloudpickle is installed.
    """

    id = "sklearn.pickle"
    types = ("sklearn.base:BaseEstimator",)
    kind = "model"
    version = 1
    libraries = ("sklearn", "numpy", "scipy")
    install = "wandb-track-serializers[sklearn]"

    def accepts(self, value: Any) -> bool:
        """All but a torch module that is an estimator too: torch knows how to bring it to another device."""
        return not is_a(value, "torch.nn", "Module")

    def _dump(self, value: Any, target: Target) -> None:
        try:
            super()._dump(value, target)
        except (SerializerError, OSError, MemoryError):
            raise
        except Exception as failed:
            target.path(".pkl").unlink()
            try:
                cloudpickle = import_module("cloudpickle")
                with target.open(".pkl") as file:
                    cloudpickle.dump(value, file, protocol=PROTOCOL)
            except (SerializerError, OSError, MemoryError):
                raise
            except Exception:  # also where it is not installed
                raise failed from failed.__cause__
            target.notes.append(
                "a function or class in it is stored by value: reading it takes cloudpickle and the same Python"
            )


class SklearnSkops(Serializer):
    """The format of skops, which names the types in it before anything is built: https://skops.readthedocs.io."""

    id = "sklearn.skops"
    types = SklearnPickle.types
    kind = "model"
    format = "skops"
    on_request = True
    safe = True
    libraries = ("sklearn", "skops", "numpy", "scipy")
    install = "wandb-track-serializers[skops]"

    accepts = SklearnPickle.accepts

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.skops``, and read it back, as skops also writes what nothing can read."""
        import skops.io

        try:
            with target.open(".skops") as file:
                skops.io.dump(value, file)
            path = target.path(".skops")
            skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        except (SerializerError, OSError):
            raise
        except Exception as error:
            raise NotRepresentableError(f"skops cannot read it back: {error} ({class_name(error)})") from error

    def read(self, source: Source) -> Any:
        """Read it if all types in it are known to be harmless, or the source is trusted."""
        import zipfile

        import skops.io

        with zipfile.ZipFile(source.file) as archive:
            source.check(sum(member.file_size for member in archive.infolist()))
        source.file.seek(0)
        data = source.file.read()
        unknown = skops.io.get_untrusted_types(data=data)
        if unknown and not source.trusted:
            raise UntrustedError(
                f"{source.manifest.name!r} holds types that skops does not know to be harmless:"
                f" {', '.join(unknown)}. If you trust whoever wrote it, pass trusted=True",
                self.id,
                source.manifest.class_name,
            )
        return skops.io.loads(data, trusted=unknown)
