"""A task's container without a cluster: the real entry points, the environment that the platform gives them."""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import LiteralMap
from wandb_track_testing.offline import OfflineRun, find_runs
from wandb_track_testing.plugin import isolated_env, valid_key

FLOWS = Path(__file__).parent / "flows"
EXECUTION = "f6af03c1"
PROJECT, DOMAIN = "flytesnacks", "development"
RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"
MAP_RESOLVER = "flytekit.core.array_node_map_task.ArrayNodeMapTaskResolver"


def container_env(
    task: str, execution: str = EXECUTION, node: str = "n0", attempt: int = 0, **more: str | None
) -> dict[str, str]:
    """What the platform sets in a task's container; None in `more` removes a variable."""
    env = {
        "FLYTE_INTERNAL_EXECUTION_PROJECT": PROJECT,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": DOMAIN,
        "FLYTE_INTERNAL_EXECUTION_ID": execution,
        "FLYTE_INTERNAL_EXECUTION_WORKFLOW": f"{PROJECT}:{DOMAIN}:flows.training_workflow",
        "FLYTE_INTERNAL_EXECUTION_LAUNCHPLAN": "flows.training_workflow",
        "FLYTE_INTERNAL_TASK_PROJECT": PROJECT,
        "FLYTE_INTERNAL_TASK_DOMAIN": DOMAIN,
        "FLYTE_INTERNAL_TASK_NAME": task,
        "FLYTE_INTERNAL_TASK_VERSION": "v7",
        "FLYTE_ATTEMPT_NUMBER": str(attempt),
        "FLYTE_EXECUTION_URL": f"https://flyte.test/console/projects/{PROJECT}/domains/{DOMAIN}"
        f"/executions/{execution}/nodeId/{node}/nodes",
        "HOSTNAME": f"{execution}-{node}-{attempt}",
        "_FSEC_WANDB_WANDB_API_KEY": valid_key,
    }
    for name, value in more.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


@dataclass
class Outcome:
    """What a container left behind."""

    outputs: dict = field(default_factory=dict)
    error: str = ""
    futures: bytes = b""
    said: str = ""


@dataclass
class Container:
    """One attempt of one task: where its inputs and outputs lie, and the command that the platform runs."""

    folder: Path
    module: str
    task: str
    inputs: dict
    execution: str = EXECUTION
    node: str = "n0"
    attempt: int = 0
    index: int | None = None
    raw: str = ""

    @property
    def output_prefix(self) -> Path:
        path = self.folder / f"{PROJECT}-{DOMAIN}-{self.execution}" / self.node / "data" / str(self.attempt)
        return path if self.index is None else path / str(self.index) / "0"

    @property
    def raw_prefix(self) -> Path:
        element = "" if self.index is None else f"-n{self.index}-0"
        return self.folder / "raw" / "zz" / f"{self.execution}-{self.node}-{self.attempt}{element}"

    @property
    def raw_uri(self) -> str:
        return f"{self.raw}/zz/{self.raw_prefix.name}" if self.raw else str(self.raw_prefix)

    def arguments(self) -> list[str]:
        task = self.load()
        mapped = self.index is not None
        types = {name: list[kind] if mapped else kind for name, kind in task.python_interface.inputs.items()}
        literals = TypeEngine.dict_to_literal_map(FlyteContextManager.current_context(), self.inputs, types)
        inputs = self.folder / f"{self.task}.pb"
        inputs.write_bytes(literals.to_flyte_idl().SerializeToString())
        names = ["task-module", self.module, "task-name", self.task]
        return [
            "pyflyte-map-execute" if mapped else "pyflyte-execute",
            *("--inputs", str(inputs)),
            *("--output-prefix", str(self.output_prefix)),
            *("--raw-output-data-prefix", self.raw_uri),
            *("--resolver", MAP_RESOLVER if mapped else RESOLVER),
            "--",
            *(("vars", "", "resolver", RESOLVER) if mapped else ()),
            *names,
        ]

    def environment(self, **more: str | None) -> dict[str, str]:
        if self.index is not None:
            more = {
                "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX",
                "FLYTE_K8S_ARRAY_INDEX": str(self.index),
                "HOSTNAME": f"{self.execution}-{self.node}-{self.attempt}-n{self.index}-0",
                **more,
            }
        return container_env(f"{self.module}.{self.task}", self.execution, self.node, self.attempt, **more)

    def load(self):
        return getattr(importlib.import_module(self.module), self.task)

    def outcome(self, said: str = "") -> Outcome:
        from flyteidl.core import errors_pb2, literals_pb2

        result = Outcome(said=said)
        if (path := self.output_prefix / "error.pb").exists():
            result.error = errors_pb2.ErrorDocument.FromString(path.read_bytes()).error.message
        if (path := self.output_prefix / "futures.pb").exists():
            result.futures = path.read_bytes()
        if (path := self.output_prefix / "outputs.pb").exists():
            literals = LiteralMap.from_flyte_idl(literals_pb2.LiteralMap.FromString(path.read_bytes()))
            types = self.load().python_interface.outputs
            result.outputs = TypeEngine.literal_map_to_kwargs(FlyteContextManager.current_context(), literals, types)
        return result


@dataclass
class Bench:
    """The runs of one test among those of its module, and the containers that it starts."""

    folder: Path
    seen: set[Path]

    def runs(self, count: int, folders: str = "*run-*") -> list[OfflineRun]:
        """This test's closed runs, of which there have to be so many, in folders of such names.

        The client's service writes the end of a file a moment after `finish` came back.
        """
        deadline = time.monotonic() + 30
        while True:
            new = [run for run in find_runs(self.folder) if run.path not in self.seen]
            closed = [run for run in new if run.exit_code is not None and run.folder.match(folders)]
            if len(closed) >= count or time.monotonic() > deadline:
                assert len(closed) == count
                return closed
            time.sleep(0.02)

    def run(self) -> OfflineRun:
        return self.runs(1)[0]

    def container(self, module: str, task: str, inputs: dict, **where) -> Container:
        return Container(Path(tempfile.mkdtemp(prefix="bucket-", dir=self.folder)), module, task, inputs, **where)

    def execute(self, task: str, inputs: dict, env: dict | None = None, module: str = "kinds", **where) -> Outcome:
        """Run a task as its container would, in this process: the entry point's own function is called."""
        from flytekit.bin.entrypoint import execute_task_cmd, map_execute_task_cmd

        container = self.container(module, task, inputs, **where)
        command = map_execute_task_cmd if container.index is not None else execute_task_cmd
        arguments = container.arguments()[1:]
        with environment(container.environment(**(env or {}))), contextlib.redirect_stderr(sys.stderr):
            command.main(arguments, standalone_mode=False)
        return container.outcome()

    def start(self, container: Container, **env: str | None) -> subprocess.Popen:
        """Start a task as its container does: by the console script that the platform calls."""
        program, *arguments = container.arguments()
        ours = {key: value for key, value in env.items() if key.startswith("WANDB_")}
        theirs = {key: value for key, value in env.items() if key not in ours}
        return subprocess.Popen(
            [str(Path(sys.executable).parent / program), *arguments],
            env={**isolated_env(self.folder, **ours), **container.environment(**theirs)},
            cwd=FLOWS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def execute_in_process_of_its_own(self, container: Container, **env: str | None) -> Outcome:
        """Run a task to its end in a process of its own."""
        with self.start(container, **env) as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return container.outcome(said)

    def pyflyte_run(self, module: str, entity: str, *arguments: str, **env: str | None) -> str:
        """`pyflyte run`, as a user calls it; returns what it printed."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "pyflyte"), "run", str(FLOWS / f"{module}.py"), entity, *arguments],
            env=isolated_env(self.folder, **env),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextlib.contextmanager
def environment(more: dict[str, str]):
    saved = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A clean environment for a module's tests, which share one service of the client."""
    folder = tmp_path_factory.mktemp("place")
    saved, cwd = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(isolated_env(folder))
    os.chdir(folder)
    sys.path.insert(0, str(FLOWS))
    try:
        yield folder
    finally:
        sys.path.remove(str(FLOWS))
        if "wandb" in sys.modules:
            vars(sys.modules["wandb"])["teardown"]()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(saved)


@pytest.fixture
def bench(place):
    """What a test needs to run tasks locally and in containers, and to read back the runs that it made."""
    return Bench(place, {run.path for run in find_runs(place)})


@pytest.fixture
def load(place):
    """Import one of the modules below `flows`."""
    return importlib.import_module


def flyte_config(run: OfflineRun) -> dict:
    return json.loads(json.dumps(run.config["flyte"]))


@pytest.fixture
def s3(bucket):
    """Variables that lead flytekit to a bucket."""
    pytest.importorskip("s3fs")
    env = {
        "FLYTE_AWS_ENDPOINT": bucket.env["AWS_ENDPOINT_URL"],
        "FLYTE_AWS_ACCESS_KEY_ID": "id",
        "FLYTE_AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return bucket, env
