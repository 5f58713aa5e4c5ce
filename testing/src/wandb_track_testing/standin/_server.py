"""The stand-in server as a test holds it."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLError

from ._context import Context
from ._faults import Fault, Kind, Phase, Request, applies, phase_of
from ._graphql import Document, execute, read
from ._http import Server
from ._model import Artifact, Collection, CollectionKey, Run, RunKey, ServerError
from ._mutations import opens
from ._snapshot import snapshot
from ._state import State

VALID_KEY = "0123456789abcdef0123456789abcdef01234567"
"""An API key of the form that the client demands."""

FEATURES = frozenset(
    {
        "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
        "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
        "ARTIFACT_COLLECTION_MEMBERSHIP_FILE_DOWNLOAD_HANDLER",
        "ARTIFACT_DIGEST_ALGORITHM",
        "ARTIFACT_TAGS",
        "ARTIFACT_V2_DOWNLOAD_HANDLER_SUPPORTS_ARTIFACT_ID",
        "CLIENT_IDS",
        "FILESTREAM_GZIP",
        "LARGE_FILENAMES",
        "MARK_RUN_FILES_UPLOADED",
        "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
        "TOTAL_COUNT_IN_FILE_CONNECTION",
        "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    }
)


class StandIn:
    """A W&B server for tests, on the loopback interface, in threads of this process.

    It holds what the real client sends as plain data (`runs`, `collections`, `requests`), and answers as far as
    the README says. Use it as a context manager, or call `close`.

    Args:
        entity: Of runs that name none.
        username: Of every API key's owner.
        keys: The only API keys that are accepted; None accepts each one.
        latency: Seconds before each answer.
        port: 0 for a free one.

    Attributes:
        rejected_keys: API keys that are answered with 401.
        unknown: Entities, or ``entity/project``, that do not exist (404).
        forbidden: Entities, or ``entity/project``, that nobody may use (403).
        features: The server features that the client is told of.
        requests: Everything that came in, in order.
        unanswered: GraphQL documents that the stand-in does not know; the client got 400 for them.
        failures: Errors of the stand-in itself. The fixtures fail a test that has any.
    """

    def __init__(
        self,
        *,
        entity: str = "acme",
        username: str = "tester",
        keys: Iterable[str] | None = None,
        latency: float = 0.0,
        port: int = 0,
    ) -> None:
        self.default_entity = entity
        self.username = username
        self.keys = None if keys is None else set(keys)
        self.rejected_keys: set[str] = set()
        self.unknown: set[str] = set()
        self.forbidden: set[str] = set()
        self.latency = latency
        self.features = set(FEATURES)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.failures: list[str] = []
        self.unanswered: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="wandb-standin-"))
        self.state = State(self._folder)
        self._server: Server | None = None
        self._port = port
        self.restart()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def runs(self) -> dict[RunKey, Run]:
        """Every run by entity, project and id."""
        return self.state.runs

    @property
    def run(self) -> Run:
        """The only run.

        Raises:
            LookupError: There is none, or more than one.
        """
        if len(self.runs) != 1:
            raise LookupError(f"{len(self.runs)} runs: {sorted(self.runs)}")
        return next(iter(self.runs.values()))

    @property
    def collections(self) -> dict[CollectionKey, Collection]:
        """Every artifact collection by entity, project and name."""
        return self.state.collections

    def artifact(self, name: str, *, project: str, entity: str | None = None) -> Artifact:
        """A committed version by ``name:alias`` or ``name:v0``.

        Raises:
            LookupError: There is no such version.
        """
        collection_name, _, alias = name.partition(":")
        collection = self.collections.get((entity or self.default_entity, project, collection_name))
        artifact = collection.find(alias or "latest") if collection else None
        if artifact is None:
            known = {key: sorted(c.aliases) for key, c in self.collections.items()}
            raise LookupError(f"no artifact {name!r} in {project!r} among {known}")
        return artifact

    def snapshot(self, *, ordered: bool = True, rename: Callable[[str], str] = str) -> dict[str, Any]:
        """The whole state in a form that can be compared and written as JSON; ids and times are left out.

        Args:
            ordered: Whether the order of versions counts. Without it versions are sorted by their contents, and
                their numbers and ``latest`` are left out, as they are when runs that ran at once made them.
            rename: Applied to every string, for names that differ from one execution to the next.
        """
        with self.state.lock:
            return snapshot(self.state, ordered=ordered, rename=rename)

    def env(self, key: str = VALID_KEY) -> dict[str, str]:
        """The environment variables that lead a client here."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": key, "WANDB_MODE": "online"}

    def fault(
        self,
        when: str | Callable[[Request], bool],
        kind: Kind | None,
        *,
        times: int | None = None,
        delay: float = 0.0,
    ) -> Fault:
        """Let requests fail from now on.

        Args:
            when: "any", a phase ("opening", "mid-run", "upload", "finish", "read"), a GraphQL operation, the
                beginning of a path, or a function of the request.
            kind: What happens instead of the answer; None for the right answer, after the delay.
            times: For so many requests only.
            delay: Seconds before it happens.

        Returns:
            The fault, which is also a context manager that clears it.
        """
        fault = Fault(applies(when), kind, times, delay)
        self.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """End all faults; requests that hang are cut."""
        for fault in self.faults:
            fault.clear()
        self.faults.clear()

    def stop(self) -> None:
        """Be gone: the port is closed and every connection cut. What was received stays."""
        if self._server is not None:
            self._server.hang_up()
            self._server = None

    def restart(self) -> None:
        """Be there again, on the same port."""
        self.stop()
        self._server = Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop for good and delete what was uploaded."""
        self.clear_faults()
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def phase(self, method: str, path: str, operation: str, message: Mapping[str, Any]) -> Phase:
        """What a request belongs to; a run's later upserts do not open it."""
        phase = phase_of(method, path, operation, message)
        if operation != "UpsertBucket":
            return phase
        given = message.get("variables") or {}
        entity, project = given.get("entity") or self.default_entity, given.get("project")
        run = self.runs.get((entity, project or "", given.get("name") or ""))
        return phase if run is None or opens(given, run) else "mid-run"

    def refusal(self, request: Request) -> tuple[int, bytes] | None:
        """The answer to a request whose key is missing or rejected."""
        if request.path.startswith("/storage/") or request.phase == "telemetry":
            return None
        if request.key and request.key not in self.rejected_keys and (self.keys is None or request.key in self.keys):
            return None
        return 401, b'{"errors":[{"message":"user is not logged in","path":["viewer"]}]}'

    def refuse(self, entity: str, project: str) -> None:
        """Raise where `unknown` (404) or `forbidden` (403) names the entity or ``entity/project``."""
        places = {entity, f"{entity}/{project}"}
        if places & self.unknown:
            raise ServerError(404, f"entity {entity} not found during upsertBucket")
        if places & self.forbidden:
            raise ServerError(403, "permission denied")

    def read(self, message: Mapping[str, Any]) -> tuple[Document | None, str]:
        """The document of a GraphQL request, or why there is none."""
        with contextlib.suppress(KeyError, TypeError):
            try:
                return read(message["query"]), ""
            except GraphQLError as error:
                return None, error.message
        return None, "no query"

    def execute(self, document: Document, variables: Mapping[str, Any], key: str) -> tuple[int, bytes]:
        """Answer a GraphQL request."""
        status, body = execute(document, variables, Context(self, key), self.refuse)
        if status == 400:
            self.unanswered.append(f"{document.operation}: {json.loads(body)['errors']}")
        return status, body
