"""What the GraphQL objects share: the request that they are made in, and pages of lists."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ._state import State


class Site(Protocol):
    """What the views need to know about the server."""

    default_entity: str
    username: str
    features: set[str]
    state: State

    @property
    def url(self) -> str:
        """The base URL."""


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


def iso_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, name: object) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def tag(name: str) -> dict[str, str]:
    return {"id": node_id("Tag", name), "name": name}
