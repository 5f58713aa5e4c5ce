"""Variables as references to Metaflow's own datastore, and back: its gzipped pickles are read by Metaflow alone."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Any

from wandb_track_serializers import IntegrityError, Location, RemoteFile, Serializer, Source, register

from ._identity import Task
from ._metaflow_internals import read_stored, store_of, stored_at


class StoredVariable(Serializer):
    """Reads a variable out of Metaflow's datastore; writes nothing.

    Details: what `read_stored` takes, and ``uri``, the address of the object, for messages.
    """

    id = "metaflow.stored"
    types = ("wandb_track_metaflow._stored:StoredVariable",)
    format = "pickle in Metaflow's datastore"
    reads_files = False

    def accepts(self, value: Any) -> bool:
        """No value is written with it."""
        return False

    def read(self, source: Source) -> Any:
        """The variable, whose bytes have the content key that was noted."""
        uri, key = (str(source.manifest.details.get(name)) for name in ("uri", "key"))
        try:
            contents, load = read_stored(source.manifest.details)
        except Exception as error:
            reason = f"{error} ({type(error).__name__}). Was it deleted, or do you lack the credentials for it?"
            raise IntegrityError(
                f"{uri}, where Metaflow stored {source.manifest.name!r}, cannot be read: {reason}"
            ) from error
        if sha1(contents, usedforsecurity=False).hexdigest() != key:
            raise IntegrityError(f"{uri} was changed since Metaflow stored {source.manifest.name!r} there")
        source.check(len(contents))
        return load()


register(StoredVariable)  # a remote task has our code, but no distribution that Python could ask for it


def location_of(task: Task, name: str, key: str, kind: Any, class_name: str) -> Location:
    """Where Metaflow has stored a variable.

    Args:
        task: The task that set it.
        name: The variable.
        key: Its content key.
        kind: What the value is: "dataset", "model" or "other".
        class_name: Its class.
    """
    address, size = stored_at(task.datastore, key)
    uri = address if "://" in address else Path(address).absolute().as_uri()
    where = {"run": task.run_id, "step": task.step, "task": task.task_id, "attempt": task.attempt}
    return Location(
        uri,
        kind,
        class_name=class_name,
        serializer=StoredVariable.id,
        details={**store_of(task.datastore), **where, "variable": name, "key": key, "uri": uri},
        files=[RemoteFile(f"{key}.pkl.gz", uri, size, key)],
    )
