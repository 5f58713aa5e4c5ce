"""Faults on order, and addresses at which no server answers."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Phase: TypeAlias = Literal["opening", "mid-run", "upload", "finish", "read", "telemetry"]
"""What a request belongs to: opening a run, its stream of history and console lines, files and artifacts, the
stream's last message, reading back, or the client's own metrics."""

Kind: TypeAlias = int | Literal["hang", "garbage", "close"]
"""An HTTP status; no answer at all; an answer that is no JSON; the connection cut without an answer."""

NO_SUCH_HOST = "http://does-not-exist.invalid"
"""An address whose name has no entry (RFC 6761 keeps ``.invalid`` free for that)."""

_OPENING = {"RunResumeStatus", "UpsertBucket"}
_UPLOAD = {
    "CreateRunFiles",
    "MarkRunFilesUploaded",
    "CreateArtifact",
    "CreateArtifactManifest",
    "UpdateArtifactManifest",
    "CreateArtifactFiles",
    "CommitArtifact",
}


@dataclass
class Request:
    """One request as the server saw it.

    Attributes:
        operation: The GraphQL operation's name; "" for everything else.
        variables: The operation's variables, or the file stream's message; {} for everything else.
        key: The API key; "" for none.
        status: What was answered; None where nothing was (or not yet).
        time: When it came in, on the clock of `time.monotonic`.
        seconds: How long the answer took.
        size: Bytes of its body, as it came over the wire.
    """

    method: str
    path: str
    operation: str
    variables: dict[str, Any]
    key: str
    phase: Phase
    time: float
    status: int | None = None
    seconds: float = 0.0
    size: int = 0


def phase_of(method: str, path: str, operation: str, message: Mapping[str, Any]) -> Phase:
    """What a request belongs to."""
    if path.endswith("/file_stream"):
        return "finish" if message.get("complete") or message.get("exitcode") is not None else "mid-run"
    if path.startswith("/sdk/otel/"):
        return "telemetry"
    if operation in _OPENING:
        return "opening"
    return "upload" if operation in _UPLOAD or method == "PUT" else "read"


@dataclass
class Fault:
    """A fault that is in force until `clear` is called, or for a number of requests.

    Attributes:
        kind: None for a delay alone.
        times: How many requests it still hits; None for all.
        delay: Seconds before the answer, or before the fault.
        hits: The requests that it hit.
    """

    applies: Callable[[Request], bool]
    kind: Kind | None
    times: int | None = None
    delay: float = 0.0
    hits: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        """End the fault; requests that hang are cut."""
        self.over.set()

    def take(self, request: Request) -> bool:
        """Whether the fault hits this request; it is counted then."""
        if self.over.is_set() or self.times == len(self.hits) or not self.applies(request):
            return False
        self.hits.append(request)
        return True

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def applies(when: str | Callable[[Request], bool]) -> Callable[[Request], bool]:
    """The condition under a name: "any", a phase, a GraphQL operation, or the beginning of a path."""
    if callable(when):
        return when
    return lambda request: when == "any" or when in (request.phase, request.operation) or request.path.startswith(when)


def refused() -> str:
    """An address at which nothing listens, so that connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """An address that swallows what is sent to it: no connection is ever established."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The queue of connections that wait to be accepted is full from the start; Linux then drops each further one.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def answering(message: bytes, scheme: str = "http") -> Iterator[str]:
    """An address that sends the same bytes to everybody, whatever they say, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Event()

        def serve() -> None:
            while not closing.is_set():
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller, contextlib.suppress(OSError):
                    caller.settimeout(1)
                    caller.recv(65536)
                    caller.sendall(message)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            closing.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def tls_garbage() -> contextlib.AbstractContextManager[str]:
    """An ``https`` address that answers a TLS hello with something else."""
    return answering(os.urandom(256), scheme="https")
