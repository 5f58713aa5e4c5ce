"""The model as GraphQL objects: each class is one type of the schema, each member one field in snake case."""

from __future__ import annotations

import base64
import fnmatch
import json
import mimetypes
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from ._model import Artifact, Collection, Manifest, Run, State, StoredFile
from ._query import matches, ordered


class Site(Protocol):
    """What the views need to know about the server."""

    features: set[str]
    state: State

    @property
    def url(self) -> str:
        """The base URL."""

    def user(self, key: str) -> str:
        """The name of the user with an API key."""

    def entity(self, key: str) -> str:
        """The entity that runs without one belong to."""


@dataclass(frozen=True)
class Context:
    """The request in which a view is made."""

    site: Site
    key: str

    @property
    def state(self) -> State:
        """The server's state."""
        return self.site.state


def connection(
    items: Iterable[Any],
    first: int | None = None,
    after: str | None = None,
    edge: Callable[[Any], dict[str, Any]] = lambda node: {"node": node},
) -> dict[str, Any]:
    """One page of items; a cursor is the number of items up to it."""
    items = list(items)
    start = int(after) if after else 0
    end = len(items) if first is None else min(start + first, len(items))
    edges = [edge(item) | {"cursor": str(start + i + 1)} for i, item in enumerate(items[start:end])]
    page = {"endCursor": str(end) if edges else None, "hasNextPage": end < len(items)}
    return {"totalCount": len(items), "pageInfo": page, "edges": edges}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _id(kind: str, name: object) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def _tag(name: str) -> dict[str, str]:
    return {"id": _id("Tag", name), "name": name}


@dataclass(frozen=True)
class UserView:
    """User: the owner of the request's API key."""

    context: Context
    typename = "User"
    admin = False
    flags = "{}"
    deleted_at = None
    organizations: tuple[()] = ()

    @property
    def id(self) -> str:
        return _id("User", self.username)

    @property
    def username(self) -> str:
        return self.context.site.user(self.context.key)

    name = username

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"

    @property
    def entity(self) -> str:
        return self.context.site.entity(self.context.key)

    @property
    def api_keys(self) -> dict[str, Any]:
        return connection([{"id": _id("ApiKey", self.username), "name": self.context.key[:4]}])

    @property
    def teams(self) -> dict[str, Any]:
        return connection([EntityView(self.context, self.entity)])


@dataclass(frozen=True)
class EntityView:
    """Entity: a team; the stand-in has no organizations."""

    context: Context
    name: str
    is_team = True
    organization = None
    user = None
    xxhash_digests_enabled = False

    @property
    def id(self) -> str:
        return _id("Entity", self.name)

    def project(self, name: str) -> ProjectView | None:
        return find_project(self.context, self.name, name)


def find_project(context: Context, entity: str | None, name: str | None) -> ProjectView | None:
    """A project that has runs or artifacts already."""
    entity = entity or context.site.entity(context.key)
    if (entity, name or "") not in context.state.projects:
        return None
    return ProjectView(context, entity, name or "")


@dataclass(frozen=True)
class ProjectView:
    """Project."""

    context: Context
    entity_name: str
    name: str
    description = None
    access = "PRIVATE"
    views: Any = None
    is_benchmark = False
    read_only = False
    created_at = "2026-01-01T00:00:00Z"

    @property
    def internal_id(self) -> str:
        return str(self.context.state.project(self.entity_name, self.name))

    @property
    def id(self) -> str:
        return _id("Project", f"v1:{self.name}:{self.entity_name}")

    @property
    def entity(self) -> EntityView:
        return EntityView(self.context, self.entity_name)

    @property
    def user(self) -> UserView:
        return UserView(self.context)

    def _runs(self) -> list[RunView]:
        runs = self.context.state.runs.values()
        return [RunView(self.context, run) for run in runs if run.key[:2] == (self.entity_name, self.name)]

    def _collections(self) -> list[CollectionView]:
        collections = self.context.state.collections.values()
        return [CollectionView(self.context, c) for c in collections if c.key[:2] == (self.entity_name, self.name)]

    @property
    def total_runs(self) -> int:
        return len(self._runs())

    def bucket(self, name: str, missing_ok: bool = False) -> RunView | None:
        view = self.run(name)
        if view is not None:
            view.model.resumed += 1
        return view

    def run(self, name: str) -> RunView | None:
        run = self.context.state.runs.get((self.entity_name, self.name, name))
        return None if run is None else RunView(self.context, run)

    def runs(
        self, filters: str | None = None, after: str | None = None, first: int | None = None, order: str | None = None
    ) -> dict[str, Any]:
        found = [view for view in self._runs() if matches(view.document, filters)]
        return connection(ordered(found, order, lambda view: view.document), first, after)

    def run_count(self, filters: str | None = None) -> int:
        return len([view for view in self._runs() if matches(view.document, filters)])

    def _version(self, name: str) -> tuple[Collection, Artifact] | None:
        collection_name, _, alias = name.partition(":")
        collection = self.context.state.collections.get((self.entity_name, self.name, collection_name))
        artifact = collection.find(alias or "latest") if collection else None
        return (collection, artifact) if collection and artifact else None

    def artifact(self, name: str) -> ArtifactView | None:
        found = self._version(name)
        return ArtifactView(self.context, found[1]) if found else None

    def artifact_collection_membership(self, name: str) -> MembershipView | None:
        found = self._version(name)
        return MembershipView(self.context, found[1]) if found else None

    def artifact_collection(self, name: str) -> CollectionView | None:
        collection = self.context.state.collections.get((self.entity_name, self.name, name))
        return None if collection is None else CollectionView(self.context, collection)

    def artifact_collections(
        self, after: str | None = None, first: int | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        found = [view for view in self._collections() if matches(view.document, filters)]
        return connection(ordered(found, order, lambda view: view.document), first, after)

    def artifact_type(self, name: str) -> TypeView | None:
        view = TypeView(self, name)
        return view if view.collections() else None

    def artifact_types(
        self, after: str | None = None, first: int | None = None, include_all: bool = False
    ) -> dict[str, Any]:
        names = dict.fromkeys(view.model.type for view in self._collections())
        return connection([TypeView(self, name) for name in names], first, after)


@dataclass(frozen=True)
class TypeView:
    """ArtifactType."""

    project: ProjectView
    name: str
    description = None
    created_at = "2026-01-01T00:00:00Z"

    @property
    def id(self) -> str:
        return _id("ArtifactType", f"{self.project.internal_id}:{self.name}")

    def collections(self) -> list[CollectionView]:
        return [view for view in self.project._collections() if view.model.type == self.name]

    def artifact_collection(self, name: str) -> CollectionView | None:
        view = self.project.artifact_collection(name)
        return view if view is not None and view.model.type == self.name else None

    def artifact_collections(
        self, after: str | None = None, first: int | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        found = [view for view in self.collections() if matches(view.document, filters)]
        return connection(ordered(found, order, lambda view: view.document), first, after)


@dataclass(frozen=True)
class RunView:
    """Run."""

    context: Context
    model: Run
    typename = "Run"
    read_only = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @property
    def id(self) -> str:
        return self.model.storage_id

    @property
    def name(self) -> str:
        return self.model.id

    @property
    def display_name(self) -> str:
        return self.model.display_name or self.model.id

    @property
    def project_id(self) -> int:
        return self.context.state.project(self.model.entity, self.model.project)

    @property
    def project(self) -> ProjectView:
        return ProjectView(self.context, self.model.entity, self.model.project)

    @property
    def user(self) -> UserView:
        return UserView(self.context)

    @property
    def sweep_name(self) -> str | None:
        return self.model.sweep or None

    @property
    def created_at(self) -> str:
        return _time(self.model.created)

    @property
    def heartbeat_at(self) -> str:
        return _time(self.model.heartbeat)

    @property
    def config(self) -> str:
        values = dict(self.model.config)
        if self.model.wandb_config:
            values["_wandb"] = self.model.wandb_config
        return json.dumps({key: {"value": value, "desc": None} for key, value in values.items()})

    def wandb_config(self, keys: list[str] | None = None) -> str:
        config = self.model.wandb_config
        return json.dumps(config if keys is None else {key: config[key] for key in keys if key in config})

    @property
    def summary_metrics(self) -> str:
        return json.dumps(self.model.summary)

    @property
    def system_metrics(self) -> str:
        return json.dumps(self.model.events[-1] if self.model.events else {})

    @property
    def history_keys(self) -> dict[str, Any]:
        names = dict.fromkeys(name for row in self.model.history for name in row)
        keys = {name: {"typeCounts": [{"type": "number", "count": len(self.model.values(name))}]} for name in names}
        return {"keys": keys, "sets": [], "lastStep": self._last_step}

    @property
    def _last_step(self) -> int:
        return max((row.get("_step", number) for number, row in enumerate(self.model.history)), default=-1)

    @property
    def history_line_count(self) -> int:
        return len(self.model.history)

    @property
    def events_line_count(self) -> int:
        return len(self.model.events)

    @property
    def log_line_count(self) -> int:
        return len(self.model.output)

    @property
    def history_tail(self) -> str:
        return json.dumps([json.dumps(row) for row in self.model.history[-1:]])

    @property
    def events_tail(self) -> str:
        return json.dumps([json.dumps(row) for row in self.model.events[-1:]])

    def history(
        self, min_step: int | None = None, max_step: int | None = None, samples: int | None = None
    ) -> list[str]:
        rows = [
            row
            for number, row in enumerate(self.model.history)
            if (min_step is None or row.get("_step", number) >= min_step)
            and (max_step is None or row.get("_step", number) < max_step)
        ]
        return [json.dumps(row) for row in _sample(rows, samples)]

    def events(self, samples: int | None = None) -> list[str]:
        return [json.dumps(row) for row in _sample(self.model.events, samples)]

    def sampled_history(self, specs: list[str]) -> list[list[dict[str, Any]]]:
        return [self._sampled(json.loads(spec)) for spec in specs]

    def _sampled(self, spec: dict[str, Any]) -> list[dict[str, Any]]:
        keys: list[str] = spec.get("keys") or []
        rows = [row for row in self.model.history if all(key in row for key in keys)]
        low, high = spec.get("minStep"), spec.get("maxStep")
        rows = [row for row in rows if low is None or row.get("_step", 0) >= low]
        rows = [row for row in rows if high is None or row.get("_step", 0) <= high]
        picked = _sample(rows, spec.get("samples"))
        return [{key: row[key] for key in keys} for row in picked] if keys else list(picked)

    def parquet_history(self, live_keys: list[str]) -> dict[str, Any]:
        return {"parquetUrls": [], "liveData": self.model.history}

    def log_lines(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        use_improved_pagination: bool = False,
    ) -> dict[str, Any]:
        lines = [{"number": n, "line": line, "level": "info"} for n, line in enumerate(self.model.output)]
        return connection(lines[-last:] if last else lines, first, after)

    @property
    def file_count(self) -> int:
        return len(self.model.files)

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        pattern: str | None = None,
    ) -> dict[str, Any]:
        found = [
            FileView(self.context, name, stored, f"run/{'/'.join(self.model.key)}/{name}")
            for name, stored in self.model.files.items()
            if (not names or name in names) and (not pattern or fnmatch.fnmatch(name, pattern.replace("%", "*")))
        ]
        return connection(found, first, after)

    def output_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        shown = [a for a in self.model.logged if a.state == "COMMITTED"]
        return connection([ArtifactView(self.context, a) for a in shown], first, after)

    def input_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        return connection([ArtifactView(self.context, use.artifact) for use in self.model.used], first, after)

    @property
    def document(self) -> dict[str, Any]:
        """The run as filters and orders see it."""
        run = self.model
        return {
            "name": run.id,
            "display_name": self.display_name,
            "displayName": self.display_name,
            "state": run.state,
            "group": run.group,
            "jobType": run.job_type,
            "job_type": run.job_type,
            "tags": run.tags,
            "notes": run.notes,
            "createdAt": self.created_at,
            "created_at": run.number,
            "heartbeatAt": self.heartbeat_at,
            "username": self.user.username,
            "config": run.config,
            "summary_metrics": run.summary,
            "summaryMetrics": run.summary,
        }


def _sample(rows: Sequence[dict[str, Any]], samples: int | None) -> Sequence[dict[str, Any]]:
    if not samples or len(rows) <= samples:
        return rows
    return [rows[i * len(rows) // samples] for i in range(samples)]


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
        return _id("File", self.storage_path)

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
        return _time(self.model.created)

    updated_at = created_at

    @property
    def project(self) -> ProjectView:
        return ProjectView(self.context, self.model.entity, self.model.project)

    @property
    def default_artifact_type(self) -> TypeView:
        return TypeView(self.project, self.model.type)

    @property
    def tags(self) -> dict[str, Any]:
        return connection([_tag(name) for name in self.model.tags])

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
        return _id("ArtifactAlias", f"{self.collection.number}:{self.alias}")

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
        return _id("ArtifactCollectionMembership", self.model.id)

    @property
    def version_index(self) -> int | None:
        return self.model.index

    @property
    def created_at(self) -> str:
        return _time(self.model.created)

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
    def artifact_type(self) -> TypeView:
        return self.artifact_sequence.default_artifact_type

    @property
    def metadata(self) -> str:
        return json.dumps(self.model.metadata)

    @property
    def ttl_duration_seconds(self) -> int:
        return self.model.ttl_seconds

    @property
    def tags(self) -> list[dict[str, str]]:
        return [_tag(name) for name in self.model.tags]

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
        return _time(self.model.created)

    @property
    def aliases(self) -> list[AliasView]:
        return [AliasView(self.context, self.model.collection, name) for name in self.model.aliases]

    @property
    def artifact_memberships(self) -> dict[str, Any]:
        return connection([MembershipView(self.context, self.model)])

    @property
    def used_by(self) -> dict[str, Any]:
        return connection([RunView(self.context, run) for run in self.model.used_by])

    @property
    def created_by(self) -> RunView | UserView:
        return UserView(self.context) if self.model.run is None else RunView(self.context, self.model.run)

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
