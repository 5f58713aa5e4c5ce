"""Artifacts, their collections and files as GraphQL objects."""

from __future__ import annotations

import base64
import json
import mimetypes
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from . import _view_project, _view_run
from ._context import Context, connection, iso_time, node_id, tag
from ._model import Artifact, Collection, Manifest, StoredFile
from ._query import matches, ordered


@dataclass(frozen=True)
class FileView:
    """File: an uploaded one, or one that is to be uploaded."""

    context: Context
    name: str
    stored: StoredFile | None
    storage_path: str
    artifact: ArtifactView | None = None
    upload_headers: tuple[str, ...] = ()
    wanted: bool = False
    upload_multipart_urls = None

    @property
    def id(self) -> str:
        return node_id("File", self.storage_path)

    @property
    def display_name(self) -> str:
        return self.name

    @property
    def direct_url(self) -> str:
        return f"{self.context.site.url}/storage/{quote(self.storage_path)}"

    def url(self, upload: bool = False) -> str:
        return self.direct_url

    @property
    def upload_url(self) -> str | None:
        return self.direct_url if self.wanted else None

    @property
    def size_bytes(self) -> int:
        return self.stored.size if self.stored else 0

    @property
    def mimetype(self) -> str | None:
        return mimetypes.guess_type(self.name)[0]

    @property
    def md5(self) -> str | None:
        return self.stored.md5 if self.stored else None

    digest = md5
    updated_at = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class CollectionView:
    """ArtifactSequence: the versions of one name."""

    context: Context
    model: Collection
    state: str = "READY"
    typename = "ArtifactSequence"
    digest_algorithm = "MANIFEST_MD5"

    @property
    def id(self) -> str:
        return self.model.id

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def description(self) -> str:
        return self.model.description

    @property
    def created_at(self) -> str:
        return iso_time(self.model.created)

    updated_at = created_at

    @property
    def project(self) -> _view_project.ProjectView:
        return _view_project.ProjectView(self.context, self.model.entity, self.model.project)

    @property
    def default_artifact_type(self) -> _view_project.TypeView:
        return _view_project.TypeView(self.project, self.model.type)

    @property
    def tags(self) -> dict[str, Any]:
        return connection([tag(name) for name in self.model.tags])

    @property
    def latest_artifact(self) -> ArtifactView | None:
        latest = self.model.latest
        return None if latest is None else ArtifactView(self.context, latest)

    def aliases(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        return connection([AliasView(self.context, self.model, name) for name in self.model.aliases], first, after)

    def artifacts(
        self, after: str | None = None, first: int | None = None, order: str | None = None, filters: str | None = None
    ) -> dict[str, Any]:
        views = [ArtifactView(self.context, version) for version in reversed(self.model.versions)]
        views = [view for view in views if matches(view.document, filters)]
        return connection(
            ordered(views, order, lambda view: view.document),
            first,
            after,
            lambda view: {"node": view, "version": f"v{view.version_index}"},
        )

    def artifact_membership(self, alias_name: str) -> MembershipView | None:
        artifact = self.model.find(alias_name)
        return None if artifact is None else MembershipView(self.context, artifact)

    @property
    def document(self) -> dict[str, Any]:
        """The collection as filters and orders see it."""
        return {"name": self.name, "tag": self.model.tags, "created_at": self.model.number}


@dataclass(frozen=True)
class AliasView:
    """ArtifactAlias."""

    context: Context
    collection: Collection
    alias: str

    @property
    def id(self) -> str:
        return node_id("ArtifactAlias", f"{self.collection.number}:{self.alias}")

    @property
    def artifact_collection(self) -> CollectionView:
        return CollectionView(self.context, self.collection)

    @property
    def artifact_collection_name(self) -> str:
        return self.collection.name


@dataclass(frozen=True)
class MembershipView:
    """ArtifactCollectionMembership: a version in its collection."""

    context: Context
    model: Artifact

    @property
    def id(self) -> str:
        return node_id("ArtifactCollectionMembership", self.model.id)

    @property
    def version_index(self) -> int | None:
        return self.model.index

    @property
    def created_at(self) -> str:
        return iso_time(self.model.created)

    @property
    def aliases(self) -> list[AliasView]:
        return self.artifact.aliases

    @property
    def artifact_collection(self) -> CollectionView:
        return CollectionView(self.context, self.model.collection)

    @property
    def artifact(self) -> ArtifactView:
        return ArtifactView(self.context, self.model)

    def files(
        self, names: list[str] | None = None, after: str | None = None, first: int | None = None
    ) -> dict[str, Any]:
        return self.artifact.files(names, after, first)


@dataclass(frozen=True)
class ManifestView:
    """ArtifactManifest."""

    context: Context
    model: Manifest
    wanted: bool = False

    @property
    def id(self) -> str:
        return self.model.id

    @property
    def digest(self) -> str:
        return self.model.digest

    @property
    def file(self) -> FileView:
        path = f"manifest/{self.model.id}/wandb_manifest.json"
        return FileView(self.context, "wandb_manifest.json", self.model.file, path, wanted=self.wanted)


@dataclass(frozen=True)
class ArtifactView:
    """Artifact: one version."""

    context: Context
    model: Artifact
    ttl_is_inherited = True
    updated_at = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @property
    def artifact_sequence(self) -> CollectionView:
        return CollectionView(self.context, self.model.collection)

    @property
    def version_index(self) -> int | None:
        return self.model.index

    @property
    def artifact_type(self) -> _view_project.TypeView:
        return self.artifact_sequence.default_artifact_type

    @property
    def metadata(self) -> str:
        return json.dumps(self.model.metadata)

    @property
    def ttl_duration_seconds(self) -> int:
        return self.model.ttl_seconds

    @property
    def tags(self) -> list[dict[str, str]]:
        return [tag(name) for name in self.model.tags]

    @property
    def commit_hash(self) -> str:
        return self.model.digest[:20]

    @property
    def size(self) -> int:
        return sum(entry.get("size", 0) for entry in self.model.entries.values())

    @property
    def file_count(self) -> int:
        return len(self.model.entries)

    @property
    def created_at(self) -> str:
        return iso_time(self.model.created)

    @property
    def aliases(self) -> list[AliasView]:
        return [AliasView(self.context, self.model.collection, name) for name in self.model.aliases]

    @property
    def artifact_memberships(self) -> dict[str, Any]:
        return connection([MembershipView(self.context, self.model)])

    @property
    def used_by(self) -> dict[str, Any]:
        return connection([_view_run.RunView(self.context, run) for run in self.model.used_by])

    @property
    def created_by(self) -> _view_run.RunView | _view_project.UserView:
        return (
            _view_project.UserView(self.context)
            if self.model.run is None
            else _view_run.RunView(self.context, self.model.run)
        )

    @property
    def current_manifest(self) -> ManifestView | None:
        manifest = self.model.current_manifest
        return None if manifest is None else ManifestView(self.context, manifest)

    def files(
        self, names: list[str] | None = None, after: str | None = None, first: int | None = None
    ) -> dict[str, Any]:
        paths = [path for path in self.model.entries if not names or path in names]
        return connection([view for path in paths if (view := self._file(path))], first, after)

    def files_by_manifest_entries(
        self,
        entries: list[dict[str, Any]] | None = None,
        storage_layout: str | None = None,
        manifest_version: str | None = None,
        storage_region: str | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> dict[str, Any]:
        return self.files([entry["name"] for entry in entries or []], after, first)

    def _file(self, path: str) -> FileView | None:
        stored = self.model.stored(path)
        return artifact_file(self.context, self, path, stored.md5, stored) if stored else None

    @property
    def document(self) -> dict[str, Any]:
        """The version as filters and orders see it."""
        return {
            "versionIndex": self.model.index,
            "version_index": self.model.index,
            "created_at": self.model.index,
            "tags": self.model.tags,
            "alias": self.model.aliases,
            "state": self.model.state,
            "metadata": self.model.metadata,
            "digest": self.model.digest,
        }


def artifact_file(
    context: Context, artifact: ArtifactView, path: str, digest: str, stored: StoredFile | None
) -> FileView:
    """A file of an artifact: contents that the entity has already are not uploaded again."""
    address = f"artifact/{artifact.model.collection.entity}/{base64.b64decode(digest).hex()}/{path}"
    headers = (f"Content-MD5:{digest}",)
    return FileView(context, path, stored, address, artifact, headers, wanted=stored is None)
