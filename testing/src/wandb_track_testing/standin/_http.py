"""The HTTP side: reads requests, applies faults, and hands on to the model."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import json
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ._faults import Request
from ._model import ServerError, StoredFile
from ._stream import receive

if TYPE_CHECKING:
    from ._server import StandIn

_CHUNK = 1 << 20


class Server(ThreadingHTTPServer):
    """The listening socket and the connections that are open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], standin: StandIn) -> None:
        self.standin = standin
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `hang_up` can cut it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Stop listening and cut every open connection."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is none of ours; everything else is kept for the test to see."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.standin.failures.append(traceback.format_exc())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `StandIn.requests` holds it all."""

    def do_GET(self) -> None:
        """Downloads."""
        self._serve({})

    def do_PUT(self) -> None:
        """Uploads."""
        self._serve({})

    def do_POST(self) -> None:
        """GraphQL and the file stream."""
        body = b"".join(self._body())
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            message = json.loads(body) if body else {}
        except ValueError:
            message = {}
        self._serve(message if isinstance(message, dict) else {})

    def _serve(self, message: dict[str, Any]) -> None:
        standin = self.server.standin
        path = unquote(urlsplit(self.path).path)
        operation, variables = "", message
        document = None
        if path == "/graphql":
            document, problem = standin.read(message)
            operation = document.operation if document else ""
            variables = message.get("variables") or {}
        request = Request(
            self.command,
            path,
            operation,
            variables,
            self._key(),
            standin.phase(self.command, path, operation, message),
            time.monotonic(),
            size=int(self.headers.get("Content-Length") or 0),
        )
        standin.requests.append(request)
        try:
            if self._is_faulty(request):
                return
            refusal = standin.refusal(request)
            if refusal is not None:
                self._drain()
                self._answer_json(request, *refusal)
            elif path == "/graphql":
                if document is None:
                    self._answer_json(request, 400, json.dumps({"errors": [{"message": problem}]}).encode())
                else:
                    self._answer_json(request, *standin.execute(document, variables, request.key))
            elif request.phase == "telemetry":
                self._answer_json(request, 200, b"{}")
            elif path.endswith("/file_stream"):
                self._answer_json(request, *self._stream(path, message, request))
            elif path.startswith("/storage/"):
                self._storage(path.removeprefix("/storage/"), request)
            elif path.startswith(("/artifacts/", "/artifactsV2/")):
                self._download(path, request)
            else:
                self._drain()
                self._answer_json(request, 404, b'{"error":"not found"}')
        except ServerError as error:
            self._answer_json(request, error.status, json.dumps({"error": str(error)}).encode())
        except OSError:
            raise
        except Exception:
            standin.failures.append(traceback.format_exc())
            self._answer_json(request, 500, b'{"error":"the stand-in failed"}')
        finally:
            request.seconds = time.monotonic() - request.time

    def _key(self) -> str:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return ""
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def _is_faulty(self, request: Request) -> bool:
        standin = self.server.standin
        if standin.latency:
            time.sleep(standin.latency)
        for fault in list(standin.faults):
            if not fault.take(request):
                continue
            if fault.delay:
                fault.over.wait(fault.delay)
            if fault.kind is None:
                continue
            if isinstance(fault.kind, int):
                self._drain()
                text = HTTPStatus(fault.kind).phrase
                body = {"errors": [{"message": text, "path": []}], "error": text}
                self._answer_json(request, fault.kind, json.dumps(body).encode())
            elif fault.kind == "garbage":
                self._drain()
                self._answer_json(request, 200, b"\x00<html>not what you asked for")
            else:
                if fault.kind == "hang":
                    fault.over.wait()
                self.close_connection = True
            return True
        return False

    def _stream(self, path: str, message: dict[str, Any], request: Request) -> tuple[int, bytes]:
        standin = self.server.standin
        entity, project, name = path.removeprefix("/files/").removesuffix("/file_stream").split("/")
        with standin.state.lock:
            run = standin.state.run(entity, project, name)
            shared = self.headers.get("X-Wandb-Use-Async-Filestream") == "true"
            receive(run, message, self.headers.get("X-Wandb-Async-Client-Id") if shared else None)
            run.keys.add(request.key)
            return 200, json.dumps({"exitcode": run.exit_code, "stopped": run.stop_requested}).encode()

    def _storage(self, path: str, request: Request) -> None:
        state = self.server.standin.state
        if request.method == "PUT":
            stored = state.write(self._body())
            wanted = self.headers.get("Content-MD5")
            if wanted and wanted != stored.md5:
                raise ServerError(400, f"{path}: contents have md5 {stored.md5}, not {wanted}")
            with state.lock:
                self._keep(path, stored)
            self._answer_json(request, 200, b"{}")
            return
        with state.lock:
            found = self._find(path)
        self._answer_file(request, found)

    def _keep(self, path: str, stored: StoredFile) -> None:
        state = self.server.standin.state
        kind, _, rest = path.partition("/")
        if kind == "run":
            entity, project, name, file = rest.split("/", 3)
            state.run(entity, project, name).files[file] = stored
        elif kind == "manifest":
            state.manifest(rest.rpartition("/")[0]).receive(stored)
        else:
            entity, md5, _ = rest.split("/", 2)
            state.blobs[entity, base64.b64encode(bytes.fromhex(md5)).decode()] = stored

    def _find(self, path: str) -> StoredFile:
        state = self.server.standin.state
        kind, _, rest = path.partition("/")
        if kind == "run":
            entity, project, name, file = rest.split("/", 3)
            found = state.run(entity, project, name).files.get(file)
        elif kind == "manifest":
            found = state.manifest(rest.rpartition("/")[0]).file
        else:
            entity, md5, _ = rest.split("/", 2)
            found = state.blobs.get((entity, base64.b64encode(bytes.fromhex(md5)).decode()))
        if found is None:
            raise ServerError(404, f"{path} was not uploaded")
        return found

    def _download(self, path: str, request: Request) -> None:
        # /artifacts/{entity}/{md5} and /artifactsV2/{region}/{entity}/.../{md5}/{name}
        parts = path.strip("/").split("/")
        entity, md5 = (parts[1], parts[2]) if parts[0] == "artifacts" else (parts[2], parts[-2])
        self._answer_file(request, self._find(f"artifact/{entity}/{md5}/"))

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (chunk := self.rfile.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk

    def _drain(self) -> None:
        if self.command == "PUT":
            for _ in self._body():
                pass

    def _answer_json(self, request: Request, status: int, body: bytes) -> None:
        request.status = status
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_file(self, request: Request, stored: StoredFile) -> None:
        request.status = 200
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(stored.size))
        self.end_headers()
        with stored.path.open("rb") as source:
            shutil.copyfileobj(source, self.wfile, _CHUNK)
