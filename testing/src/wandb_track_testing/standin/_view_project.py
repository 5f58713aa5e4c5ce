"""Users, entities, projects and artifact types as GraphQL objects.

Here and in the other views each class is one type of the schema, and each member one field in snake case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _view_artifact, _view_run
from ._context import Context, connection, node_id
from ._model import Artifact, Collection
from ._query import matches, ordered


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
        return node_id("User", self.username)

    @property
    def username(self) -> str:
        return self.context.site.username

    name = username

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"

    @property
    def entity(self) -> str:
        return self.context.site.default_entity

    @property
    def api_keys(self) -> dict[str, Any]:
        return connection([{"id": node_id("ApiKey", self.username), "name": self.context.key[:4]}])

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
        return node_id("Entity", self.name)

    def project(self, name: str) -> ProjectView | None:
        return find_project(self.context, self.name, name)


def find_project(context: Context, entity: str | None, name: str | None) -> ProjectView | None:
    """A project that has runs or artifacts already."""
    entity = entity or context.site.default_entity
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
        return node_id("Project", f"v1:{self.name}:{self.entity_name}")

    @property
    def entity(self) -> EntityView:
        return EntityView(self.context, self.entity_name)

    @property
    def user(self) -> UserView:
        return UserView(self.context)

    def _runs(self) -> list[_view_run.RunView]:
        runs = self.context.state.runs.values()
        return [_view_run.RunView(self.context, run) for run in runs if run.key[:2] == (self.entity_name, self.name)]

    def _collections(self) -> list[_view_artifact.CollectionView]:
        collections = self.context.state.collections.values()
        return [
            _view_artifact.CollectionView(self.context, c)
            for c in collections
            if c.key[:2] == (self.entity_name, self.name)
        ]

    @property
    def total_runs(self) -> int:
        return len(self._runs())

    def bucket(self, name: str, missing_ok: bool = False) -> _view_run.RunView | None:
        view = self.run(name)
        if view is not None:
            view.model.resumed += 1
        return view

    def run(self, name: str) -> _view_run.RunView | None:
        run = self.context.state.runs.get((self.entity_name, self.name, name))
        return None if run is None else _view_run.RunView(self.context, run)

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

    def artifact(self, name: str) -> _view_artifact.ArtifactView | None:
        found = self._version(name)
        return _view_artifact.ArtifactView(self.context, found[1]) if found else None

    def artifact_collection_membership(self, name: str) -> _view_artifact.MembershipView | None:
        found = self._version(name)
        return _view_artifact.MembershipView(self.context, found[1]) if found else None

    def artifact_collection(self, name: str) -> _view_artifact.CollectionView | None:
        collection = self.context.state.collections.get((self.entity_name, self.name, name))
        return None if collection is None else _view_artifact.CollectionView(self.context, collection)

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
        return node_id("ArtifactType", f"{self.project.internal_id}:{self.name}")

    def collections(self) -> list[_view_artifact.CollectionView]:
        return [view for view in self.project._collections() if view.model.type == self.name]

    def artifact_collection(self, name: str) -> _view_artifact.CollectionView | None:
        view = self.project.artifact_collection(name)
        return view if view is not None and view.model.type == self.name else None

    def artifact_collections(
        self, after: str | None = None, first: int | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        found = [view for view in self.collections() if matches(view.document, filters)]
        return connection(ordered(found, order, lambda view: view.document), first, after)
