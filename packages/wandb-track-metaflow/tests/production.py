# /// script
# dependencies = [
#     "wandb-track-core",
#     "wandb-track-metaflow",
#     "moto[server]>=5.0.15",
#     "boto3>=1.34.63",
#     "scikit-learn>=1.3",
#     "pandas>=2.0",
#     "pyarrow>=14",
# ]
# ///
"""Flows against the services of a production Metaflow: S3, and its metadata service with PostgreSQL.

    python packages/wandb-track-metaflow/tests/production.py [--service FOLDER]

It needs `moto[server]` and `boto3`. FOLDER is a checkout of Metaflow's metadata service. Install it
(`pip install FOLDER`), and put PostgreSQL's own programs on the PATH. What is missing is skipped, and one line says so.
Prints a line for each check, and exits with 1 where one fails.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env
from wandb_track_testing.standin import StandIn

FLOW = Path(__file__).parent / "flows" / "produced.py"
failed: list[str] = []


def check(name: str, is_so: object, detail: object = "") -> None:
    """Print whether something is as it must be."""
    print(f"{'ok' if is_so else 'FAILED':7} {name}", flush=True)
    if not is_so:
        failed.append(name)
        print(str(detail)[-3000:])


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], url: str, **options: object) -> Iterator[None]:
    """Keep a server running; it is there once it answers."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
                break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"{command[:4]} does not answer at {url}")
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def storage() -> Iterator[dict[str, str]]:
    """A server that speaks S3, with a bucket."""
    import boto3

    url = f"http://127.0.0.1:{free_port()}"
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)
    with running([sys.executable, "-m", "moto.server", "-p", url.rpartition(":")[2]], url):
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="bucket")
        yield {**keys, "METAFLOW_S3_ENDPOINT_URL": url, "METAFLOW_DEFAULT_DATASTORE": "s3"}


@contextlib.contextmanager
def metadata_service(source: Path, folder: Path) -> Iterator[str]:
    """The metadata service with a database of its own; its address."""
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    data, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    if os.getuid() == 0:
        shutil.chown(data, user)
    as_user = {"user": user} if os.getuid() == 0 else {}

    def run(*command: str, **options: object) -> None:
        subprocess.run(command, check=True, cwd=data, capture_output=True, **as_user, **options)  # type: ignore[call-overload]

    run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust")
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", str(data), "-o", options, "-l", str(data / "log"), "-w", "start")
    try:
        for path in sorted(source.glob("services/migration_service/migration_files/*.sql"), key=_number):
            up = re.split(r"-- \+goose Down", path.read_text())[0]
            # psql would put several statements into one transaction, in which no index is made concurrently.
            run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-q", "-f", "-", input=up.encode())
        api = free_port()
        env = {
            **os.environ,
            "PYTHONPATH": str(source),
            "MF_METADATA_DB_HOST": "127.0.0.1",
            "MF_METADATA_DB_PORT": str(port),
            "MF_METADATA_DB_USER": "postgres",
            "MF_METADATA_DB_PSWD": "none",
            "MF_METADATA_DB_NAME": "postgres",
            "MF_METADATA_PORT": str(api),
            "MF_METADATA_HOST": "127.0.0.1",
        }
        command = [sys.executable, "-m", "services.metadata_service.server"]
        with running(command, f"http://127.0.0.1:{api}/ping", env=env, cwd=folder):
            yield f"http://127.0.0.1:{api}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(data, ignore_errors=True)


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])


def flow(folder: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    """Call the flow's command line."""
    command = [sys.executable, str(FLOW), "--no-pylint", *args]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    done.stdout += done.stderr
    return done


def download(env: dict[str, str], root: str, folder: Path) -> list[Path]:
    """The stored runs below a root of the datastore."""
    import boto3

    client = boto3.client("s3", endpoint_url=env["METAFLOW_S3_ENDPOINT_URL"])
    folder.mkdir()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=root)
    keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if item["Key"].endswith(".tar")]
    for number, key in enumerate(keys):
        client.download_file("bucket", key, str(folder / f"{number}.{key.rpartition('/')[2]}"))
    return sorted(folder.iterdir())


def deployment(folder: Path, root: str, **extra: str) -> list[Path]:
    """Fail, retry, resume, read back: one deployment's day; its stored runs."""
    folder.mkdir()
    env = isolated_env(folder, METAFLOW_DATASTORE_SYSROOT_S3=f"s3://bucket/{root}", **extra)
    first = flow(folder, {**env, "FAIL": "1"}, "run")
    check(f"{root}: a run fails as it would untracked", first.returncode == 1 and "to be mended" in first.stdout)
    check(f"{root}: nothing of ours failed", "wandb-track itself" not in first.stdout + "", first.stdout)
    resumed = flow(folder, env, "resume")
    check(f"{root}: it is resumed", resumed.returncode == 0 and "TOTAL 18" in resumed.stdout, resumed.stdout)
    local = find_runs(folder)
    check(f"{root}: on the user's own machine all 7 runs stay", len(local) == 7, [run.name for run in local])
    tars = download(extra, root, folder / "downloaded")
    check(f"{root}: all 7 runs are stored", len(tars) == 7, tars)
    code = (
        "from wandb_track_metaflow import load; print(len(load('Produced/latest/start/table', offline='downloaded')))"
    )
    read = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    check(f"{root}: a value is read back from a stored run", read.stdout.strip() == "3", read.stderr)
    code = (
        "from metaflow import Flow, namespace; from metaflow.cards import get_cards; namespace(None)\n"
        "run = Flow('Produced').latest_successful_run\n"
        "print(*{card.type for step in run for task in step for card in get_cards(task)})"
    )
    cards = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    check(f"{root}: each task's card is found in the datastore", cards.stdout.strip() == "wandb_track", cards.stderr)
    pod = flow(folder, {**env, "METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes"}, "run")
    check(f"{root}: in a pod the local copies go", pod.returncode == 0 and len(find_runs(folder)) == 7, pod.stdout)
    return tars


def synced(tars: list[Path], folder: Path) -> int:
    """Sync stored runs with a server; how many are there."""
    with StandIn() as server:
        env = {**isolated_env(folder), **server.env(), "WANDB_ENTITY": "acme"}
        command = [str(Path(sys.executable).parent / "wandb-track"), "sync", *map(str, tars)]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=600)
        check("stored runs are synced", done.returncode == 0, done.stdout + done.stderr)
        return len(server.runs)


def main() -> int:
    """Run all checks for which the parts are here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", type=Path, help="a checkout of Metaflow's metadata service")
    options = parser.parse_args()
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("boto3") is None:
        print("skipped: pip install 'moto[server]' boto3")
        return 0
    with tempfile.TemporaryDirectory() as scratch, storage() as s3:
        folder = Path(scratch)
        tars = deployment(folder / "local", "local", **s3)
        check("a sync of 7 stored runs makes 7 runs", (count := synced(tars, folder / "local")) == 7, count)
        needed = ("aiohttp", "aiopg", "psycopg2")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        missing += [name for name in ("initdb", "pg_ctl", "psql") if shutil.which(name) is None]
        if options.service is None or missing:
            print(f"skipped: the metadata service: {', '.join(missing) or 'no --service'}")
            return 1 if failed else 0
        tars = []
        for name in ("one", "two"):  # both count their runs from 1
            with metadata_service(options.service.absolute(), folder) as url:
                service = {"METAFLOW_DEFAULT_METADATA": "service", "METAFLOW_SERVICE_URL": url}
                tars += deployment(folder / name, name, **s3, **service)
        check("two deployments' runs have ids of their own", (count := synced(tars, folder / "one")) == 14, count)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
