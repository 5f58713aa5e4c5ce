"""GraphQL documents: executed against the schema, with the model's views as the objects."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    build_schema,
    execute_sync,
    parse,
    specified_rules,
    validate,
)

from ._context import Context, connection
from ._model import ServerError
from ._mutations import Mutation
from ._view_artifact import ArtifactView, CollectionView
from ._view_project import EntityView, ProjectView, UserView, find_project

# The first two only find clumsy documents, of which the client sends some; the third costs more than all the others.
_RULES = [
    rule
    for rule in specified_rules
    if rule not in (NoUnusedVariablesRule, NoUnusedFragmentsRule, OverlappingFieldsCanBeMergedRule)
]


@dataclass(frozen=True)
class Query:
    """Query: each method is one field."""

    context: Context
    refuse: Callable[[str, str], None]

    @property
    def viewer(self) -> UserView:
        return UserView(self.context)

    @property
    def server_info(self) -> dict[str, Any]:
        features = [{"name": name, "isEnabled": True} for name in sorted(self.context.site.features)]
        return {"features": features, "cliVersionInfo": {"max_cli_version": "99.0.0"}}

    def entity(self, name: str | None = None) -> EntityView:
        return EntityView(self.context, name or self.context.site.default_entity)

    def organization(self, name: str | None = None) -> None:
        return None

    def project(self, name: str | None = None, entity_name: str | None = None) -> ProjectView | None:
        try:
            self.refuse(entity_name or self.context.site.default_entity, name or "")
        except ServerError as error:
            if error.status == 404:
                return None
            raise
        return find_project(self.context, entity_name, name)

    model = project

    def models(
        self, entity_name: str | None = None, after: str | None = None, first: int | None = None
    ) -> dict[str, Any]:
        entity = entity_name or self.context.site.default_entity
        names = [name for owner, name in self.context.state.projects if owner == entity]
        return connection([ProjectView(self.context, entity, name) for name in names], first, after)

    def artifact(self, id: str) -> ArtifactView:
        return ArtifactView(self.context, self.context.state.artifact(id))

    def artifact_collection(self, id: str) -> CollectionView:
        return CollectionView(self.context, self.context.state.collection(id))

    def client_id_mapping(self, client_id: str) -> dict[str, Any] | None:
        server_id = self.context.state.clients.get(client_id)
        return None if server_id is None else {"serverID": server_id}


@dataclass(frozen=True)
class Document:
    """A parsed document.

    Attributes:
        operation: The name of its operation.
        errors: Why the schema does not allow it.
    """

    node: DocumentNode
    operation: str
    errors: tuple[GraphQLError, ...]


@functools.cache
def schema() -> GraphQLSchema:
    """What the stand-in answers."""
    return build_schema((Path(__file__).parent / "_schema.graphql").read_text())


@functools.lru_cache(maxsize=512)
def read(text: str) -> Document:
    """Parse and check a document.

    Raises:
        GraphQLError: It is no GraphQL.
    """
    node = parse(text, no_location=True)
    operations = [part for part in node.definitions if isinstance(part, OperationDefinitionNode)]
    name = operations[0].name.value if operations and operations[0].name else ""
    return Document(node, name, tuple(validate(schema(), node, _RULES)))


def execute(
    document: Document, variables: Mapping[str, Any], context: Context, refuse: Callable[[str, str], None]
) -> tuple[int, bytes]:
    """Answer a document: the HTTP status and the body.

    Errors have the status that the server gives them, not 200, and name the field.
    """
    if document.errors:
        return 400, json.dumps({"errors": [{"message": error.message} for error in document.errors]}).encode()
    with context.state.lock:
        result = execute_sync(
            schema(),
            document.node,
            root_value=_Root(Query(context, refuse), Mutation(context, refuse)),
            variable_values=dict(variables),
            field_resolver=_resolve,
            type_resolver=lambda value, _info, _type: value.typename,
        )
    answer: dict[str, Any] = {"data": result.data}
    status = 200
    if result.errors:
        answer["errors"] = [{"message": error.message, "path": error.path} for error in result.errors]
        status = 400
        for error in result.errors:
            cause = error.original_error
            if isinstance(cause, ServerError):
                status = cause.status
            elif cause is not None and not isinstance(cause, GraphQLError):
                raise cause
    return status, json.dumps(answer).encode()


@dataclass(frozen=True)
class _Root:
    query: Query
    mutation: Mutation


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    if isinstance(source, Mapping):
        return source.get(info.field_name)
    if isinstance(source, _Root):
        source = source.mutation if info.parent_type.name == "Mutation" else source.query
    member = getattr(source, _snake(info.field_name))
    if callable(member):
        return member(**{_snake(name): value for name, value in arguments.items()})
    return member


@functools.cache
def _snake(name: str) -> str:
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
