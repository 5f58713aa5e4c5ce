"""The server's whole state: what there is, by the names and ids under which it is asked for."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ._model import (
    Artifact,
    Collection,
    CollectionKey,
    Manifest,
    Run,
    RunKey,
    ServerError,
    StoredFile,
    encode_id,
)


class State:
    """Everything that the server holds. `lock` guards it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.runs: dict[RunKey, Run] = {}
        self.deleted: set[RunKey] = set()
        self.collections: dict[CollectionKey, Collection] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.manifests: dict[str, Manifest] = {}
        self.clients: dict[str, str] = {}
        self.projects: dict[tuple[str, str], int] = {}
        self.sweeps: dict[str, Iterator[dict[str, Any]]] = {}
        self.blobs: dict[tuple[str, str], StoredFile] = {}
        self._numbers = itertools.count(1)
        self._names = itertools.count(1)

    def number(self) -> int:
        """A number that was not used yet."""
        return next(self._numbers)

    def project(self, entity: str, project: str) -> int:
        """The project's number; it is created where there is none."""
        key = (entity, project)
        if key not in self.projects:
            self.projects[key] = self.number()
        return self.projects[key]

    def new_sweep(self, config: str) -> str:
        """Begin a sweep over the grid of its parameters, which are given as YAML; returns its id."""
        parameters = yaml.safe_load(config)["parameters"]
        values = [given["values"] if "values" in given else [given["value"]] for given in parameters.values()]
        name = f"sweep{self.number()}"
        self.sweeps[name] = (dict(zip(parameters, each, strict=True)) for each in itertools.product(*values))
        return name

    def run(self, entity: str, project: str, name: str) -> Run:
        """A run by its id.

        Raises:
            ServerError: 404.
        """
        run = self.runs.get((entity, project, name))
        if run is None:
            raise ServerError(404, f"run {entity}/{project}/{name} not found")
        return run

    def run_by_storage_id(self, storage_id: str) -> Run:
        """A run by the server's own id.

        Raises:
            ServerError: 404.
        """
        parts = base64.b64decode(storage_id).decode().split(":")
        if len(parts) != 5:
            raise ServerError(404, f"run with id {storage_id} not found")
        _, _, name, project, entity = parts
        return self.run(entity, project, name)

    def artifact(self, artifact_id: str) -> Artifact:
        """An artifact by its id, or by the id that the client made for it.

        Raises:
            ServerError: 404.
        """
        artifact = self.artifacts.get(self.clients.get(artifact_id, artifact_id))
        if artifact is None:
            raise ServerError(404, f"artifact {artifact_id} not found")
        return artifact

    def collection(self, collection_id: str) -> Collection:
        """A collection by its id.

        Raises:
            ServerError: 404.
        """
        for collection in self.collections.values():
            if collection.id == collection_id:
                return collection
        raise ServerError(404, f"artifact collection {collection_id} not found")

    def new_artifact(self, collection: Collection, digest: str) -> Artifact:
        """A pending version."""
        artifact = Artifact(encode_id("Artifact", str(self.number())), collection, digest)
        self.artifacts[artifact.id] = artifact
        collection.artifacts.append(artifact)
        return artifact

    def new_manifest(self, artifact: Artifact, digest: str, kind: str) -> Manifest:
        """A manifest whose file is still to come."""
        manifest = Manifest(encode_id("ArtifactManifest", str(self.number())), digest, kind)
        self.manifests[manifest.id] = manifest
        artifact.manifests.append(manifest)
        return manifest

    def manifest(self, manifest_id: str) -> Manifest:
        """A manifest by its id.

        Raises:
            ServerError: 404.
        """
        manifest = self.manifests.get(manifest_id)
        if manifest is None:
            raise ServerError(404, f"manifest {manifest_id} not found")
        return manifest

    def write(self, chunks: Iterator[bytes]) -> StoredFile:
        """Keep the contents of a file."""
        path = self.folder / f"{next(self._names)}"
        md5 = hashlib.md5()
        size = 0
        with path.open("wb") as out:
            for chunk in chunks:
                md5.update(chunk)
                size += len(chunk)
                out.write(chunk)
        return StoredFile(path, size, base64.b64encode(md5.digest()).decode())
