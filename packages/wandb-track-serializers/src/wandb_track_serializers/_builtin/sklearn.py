"""scikit-learn's estimators, pipelines and meta-estimators."""

from __future__ import annotations

from typing import Any

from wandb_track_serializers._kinds import is_a
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import SerializerError, UntrustedError

from .pickles import Pickle, cannot_pickle


class SklearnPickle(Pickle):
    """A pickle, as scikit-learn's documentation has it: for the version that wrote it."""

    id = "sklearn.pickle"
    types = ("sklearn.base:BaseEstimator",)
    kind = "model"
    libraries = ("sklearn", "numpy", "scipy")
    install = "wandb-track-serializers[sklearn]"

    def accepts(self, value: Any) -> bool:
        """All but a torch module that is an estimator too: torch knows how to bring it to another device."""
        return not is_a(value, "torch.nn", "Module")


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

    def accepts(self, value: Any) -> bool:
        """As for a pickle."""
        return not is_a(value, "torch.nn", "Module")

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.skops``."""
        import skops.io

        try:
            with target.open(".skops") as file:
                skops.io.dump(value, file)
        except (SerializerError, OSError):
            raise
        except Exception as error:
            raise cannot_pickle(value, target.name, error) from error

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
