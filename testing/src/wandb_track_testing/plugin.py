"""Fixtures and helpers for the tests of all packages.

pytest loads this module in every session, so it imports neither wandb nor the stand-in server until they are used.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from wandb_track_testing.standin import StandIn

valid_key = "0123456789abcdef0123456789abcdef01234567"
"""An API key of the form that the client demands; the stand-in accepts it unless told otherwise."""

command_line = "import sys; from wandb_track_core.cli import main; sys.exit(main())"
"""The program `wandb-track`, as code for this Python: its script lies wherever the package was installed."""

needs_flushing = pytest.mark.skipif(
    tuple(map(int, version("wandb").split(".")[:2])) < (0, 31),
    reason="older clients write what a run says every 15 seconds, or when it is much",
)
"""Marks a test that reads what a run said while the run goes on, or after its process was killed."""

_FOREIGN = ("WANDB_", "METAFLOW_", "FLYTE_", "_FSEC_")


with contextlib.suppress(ImportError):
    from hypothesis import settings

    # A busy machine is no fault of what is tested.
    settings.register_profile("wandb-track", deadline=None)
    settings.load_profile("wandb-track")


def isolated_env(folder: Path, **extra: str | None) -> dict[str, str]:
    """An environment for a child process that sees none of this machine's wandb, Metaflow or Flyte settings.

    Args:
        folder: Everything that the client writes goes below it: home folder, runs, caches, credentials.
        extra: Further variables; None removes one that would be set.

    Returns:
        The environment. wandb is offline and quiet in it unless ``extra`` says otherwise; Metaflow keeps its
        datastore and metadata in the folder.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    home = folder / "home"
    places = {
        "HOME": home,
        "WANDB_DIR": folder,
        "WANDB_DATA_DIR": home / "data",
        "WANDB_CACHE_DIR": home / "cache",
        "WANDB_CONFIG_DIR": home / "config",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": folder,
        "METAFLOW_HOME": home / "metaflow",
    }
    for name, place in places.items():
        place.mkdir(parents=True, exist_ok=True)
        env[name] = str(place)
    env |= {
        "NETRC": str(home / ".netrc"),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "USERNAME": "tester",
    }
    for name, value in extra.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def run_python(
    code: str | Path,
    env: Mapping[str, str],
    *args: str,
    cwd: Path | None = None,
    check: bool = True,
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own.

    Args:
        code: The code, or the path of a script.
        env: Its environment; see `isolated_env`.
        args: Its ``sys.argv[1:]``.
        cwd: Where it runs; the folder of the environment's runs by default.
        check: Fail the test, with all that was printed, where the exit code is not 0.
        timeout: Seconds.

    Returns:
        The finished process with stdout and stderr as text.
    """
    program = [str(code)] if isinstance(code, Path) else ["-c", code]
    done = subprocess.run(
        [sys.executable, *program, *args],
        env=dict(env),
        cwd=cwd or env.get("WANDB_DIR"),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(f"exit code {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
    return done


def wait_until(condition: Callable[[], object], timeout: float = 20) -> None:
    """Wait for what another thread or process does.

    Args:
        condition: Called until it is true.
        timeout: Seconds, after which the test fails.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{condition} was not true within {timeout} s")
        time.sleep(0.02)


def services_of(pid: int) -> list[int]:
    """The client's service processes that still run.

    Args:
        pid: The process that started them, which they name in their command line.

    Returns:
        Their process ids.
    """
    shown = subprocess.run(["ps", "-Ao", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in shown.splitlines() if "wandb-core" in line]
    return [int(line[0]) for line in lines if line[-2:] == ["--pid", str(pid)]]


@contextlib.contextmanager
def _fresh_standin() -> Iterator[StandIn]:
    from wandb_track_testing.standin import StandIn

    with StandIn() as server:
        yield server
        assert not server.failures, "the stand-in server failed:\n" + "\n".join(server.failures)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A stand-in W&B server of this test's own."""
    with _fresh_standin() as server:
        yield server


@pytest.fixture(scope="session")
def standin_session() -> Iterator[StandIn]:
    """A stand-in W&B server that the session's tests share."""
    with _fresh_standin() as server:
        yield server


class Bucket(NamedTuple):
    """A bucket on a server that speaks S3.

    Attributes:
        uri: Its address, "s3://...".
        env: Variables that lead boto3, s3fs and the wandb client to the server.
    """

    uri: str
    env: dict[str, str]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3, in this process."""
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str) -> Bucket:
    """A new, empty bucket."""
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    name = f"bucket-{uuid4().hex}"
    boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys).create_bucket(Bucket=name)
    env = {key.upper(): value for key, value in keys.items()} | {"AWS_DEFAULT_REGION": "us-east-1"}
    return Bucket(f"s3://{name}", env | {"AWS_ENDPOINT_URL": s3_server, "AWS_S3_ENDPOINT_URL": s3_server})


def _end_wandb_session(patience: float = 15) -> None:
    """Tear the client's session down; where it hangs, as it does while it retries, end its service process."""
    if "wandb" not in sys.modules:
        return
    teardown = threading.Thread(target=vars(sys.modules["wandb"])["teardown"], daemon=True)
    teardown.start()
    teardown.join(patience)
    if teardown.is_alive():
        for pid in services_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        teardown.join(patience)
    # A run that a test left open is dead now, but the client keeps it as the current one.
    importlib.import_module("wandb.sdk.lib.module").unset_globals()


@pytest.fixture
def wandb_env(tmp_path: Path) -> Iterator[Path]:
    """A clean environment for wandb in this process: its working folder, below which the runs lie.

    wandb is offline and quiet. Afterwards the client's session is torn down, and working folder and environment
    are as before, so that nothing of one test reaches the next. Lines that a process prints once are printed again.
    """
    saved, folder = dict(os.environ), Path.cwd()
    env = isolated_env(tmp_path)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(tmp_path)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wandb_track_core._notify._printed", set(), raising=False)
            yield tmp_path
    finally:
        _end_wandb_session()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(saved)


@pytest.fixture
def wandb_online(wandb_env: Path, standin: StandIn) -> StandIn:
    """`wandb_env` with a stand-in server that the client in this process writes to."""
    os.environ.update(standin.env())
    return standin
