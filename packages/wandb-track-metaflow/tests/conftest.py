"""Real Metaflow runs in processes of their own, with datastore and metadata in temporary folders."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import OfflineRun, find_runs
from wandb_track_testing.plugin import isolated_env

FLOWS = Path(__file__).parent / "flows"


@dataclass
class Execution:
    """One call of a flow's command line, and what it left.

    Attributes:
        folder: Where it ran: offline runs, datastore and metadata lie below it.
        output: Standard output and error.
    """

    folder: Path
    returncode: int
    output: str
    runs: list[OfflineRun] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        """Metaflow's id of the run."""
        return str(self.runs[0].config["metaflow"]["execution"])

    def of(self, step: str) -> list[OfflineRun]:
        """The tracked runs of a step's tasks, by task and attempt."""
        # Of a process that was killed, a client before 0.31 may have written nothing.
        found = [run for run in self.runs if run.config and run.config["metaflow"]["task"] == step]
        return sorted(found, key=lambda run: (run.config["metaflow"]["task_id"], run.config["metaflow"]["attempt"]))

    def only(self, step: str) -> OfflineRun:
        """The only tracked run of a step."""
        (run,) = self.of(step)
        return run

    def made(self, run: str | OfflineRun) -> dict[str, str]:
        """The aliases, by content key, of the artifacts that a run, or the only run of a step, made."""
        return dict(_edges(self.only(run) if isinstance(run, str) else run, "output"))

    def used(self, run: str | OfflineRun) -> set[tuple[str, str]]:
        """Name and alias of each artifact that it used."""
        return _edges(self.only(run) if isinstance(run, str) else run, "input")


class Workplace:
    """A folder in which flows run, with an environment that sees nothing of this machine's settings."""

    def __init__(self, folder: Path, **env: str | None) -> None:
        self.folder = folder
        self.env = isolated_env(
            folder,
            # The nodes of a num_parallel step are started as plain "python".
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **env,
        )

    def command(self, flow: str, *args: str) -> list[str]:
        return [sys.executable, str(FLOWS / flow), *args]

    def call(self, flow: str, *args: str, check: bool = True, timeout: float = 600) -> Execution:
        """Call a flow's command line."""
        before = {run.path for run in find_runs(self.folder)}
        done = subprocess.run(
            self.command(flow, *args), cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout
        )
        output = done.stdout + done.stderr
        if check and done.returncode:
            pytest.fail(f"{flow} {' '.join(args)}: exit code {done.returncode}\n{output}")
        runs = [run for run in find_runs(self.folder) if run.path not in before]
        return Execution(self.folder, done.returncode, output, runs)

    def run(self, flow: str, *args: str, check: bool = True) -> Execution:
        """Run a flow."""
        return self.call(flow, "--no-pylint", "run", *args, check=check)

    def client(self, code: str) -> object:
        """What Metaflow's client sees: runs code that prints JSON."""
        done = subprocess.run(
            [sys.executable, "-c", f"import json\nfrom metaflow import *\nnamespace(None)\n{code}"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def workplace_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Workplace]:
    """Makes a new folder for flows, with variables of its own."""
    return lambda name, **env: Workplace(tmp_path_factory.mktemp(name), **env)


@pytest.fixture(scope="module")
def workplace(workplace_of: Callable[..., Workplace]) -> Workplace:
    return workplace_of("metaflow")


def _edges(run: OfflineRun, kind: str) -> set[tuple[str, str]]:
    """Name and alias of each artifact that a run made ("output") or used ("input"); `latest` aside."""
    found = set()
    for edge in read_lineage(run.folder):
        if edge["edge"] == kind:
            found.update((edge["name"], alias) for alias in edge.get("aliases", [edge.get("alias")]))
    return {(name, alias) for name, alias in found if alias != "latest" or kind == "input"}


class Cloud(http.server.BaseHTTPRequestHandler):
    """As much of S3 as an upload of the code package needs, and a cluster without any deployment.

    There is no other way to a deployment without a cloud. Older Metaflow asks the cluster what is deployed already.
    """

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self):
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_HEAD(self):
        self._answer(200 if self.path in self.objects else 404)

    def do_GET(self):
        self._answer(404)

    def _answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"0"')
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables that lead Metaflow to a bucket and a cluster of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    named = {"cluster": {"server": url}, "user": {}, "context": {"cluster": "it", "user": "it"}}
    settings = {f"{kind}s": [{"name": "it", kind: value}] for kind, value in named.items()}
    (tmp_path / "kubeconfig").write_text(json.dumps({"current-context": "it", **settings}))
    try:
        yield {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "METAFLOW_S3_ENDPOINT_URL": url,
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket/metaflow",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
        }
    finally:
        server.shutdown()
        server.server_close()
