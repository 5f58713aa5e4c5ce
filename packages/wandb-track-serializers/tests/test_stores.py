"""References to objects of Google and Azure, in emulators of their stores. `test_references.py` has S3 and files.

The emulators have to be on PATH: `pip install gcp-storage-emulator gcsfs adlfs` and `npm install azurite`.
"""

import base64
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

wandb = pytest.importorskip("wandb")
testing = pytest.importorskip("wandb_track_testing.plugin")
fsspec = pytest.importorskip("fsspec")
from wandb_track_core.adapters import run_folder  # noqa: E402 (needs wandb)
from wandb_track_serializers import (  # noqa: E402
    IntegrityError,
    Location,
    SerializerError,
    load_artifact,
    log_value,
    to_reference,
)

pytestmark = pytest.mark.slow
ACCOUNT, KEY = "devaccount", base64.b64encode(bytes(64)).decode()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start an emulator, found on PATH or beside this Python; it ends with the module."""
    processes = []

    def start(program, *arguments, **env):
        places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        found = shutil.which(program, path=places)
        if found is None:
            pytest.skip(f"{program} is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [found, *(str(port) if each == "PORT" else each for each in arguments)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        folder = tmp_path_factory.mktemp(program)
        processes.append(subprocess.Popen(command, cwd=folder, env={**os.environ, **env}, **quiet))
        testing.wait_until(lambda: _listens(port), timeout=60)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        process.wait(10)


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def google(start):
    # Not gcsfs.GCSFileSystem, which asks by gRPC of which kind the bucket is; the emulator does not speak it.
    gcsfs = pytest.importorskip("gcsfs.core")
    options = ("--default-bucket", "bucket", "--in-memory", "--quiet")
    url = start("gcp-storage-emulator", "start", "--host", "127.0.0.1", "--port", "PORT", *options)
    return gcsfs.GCSFileSystem(endpoint_url=url, token="anon", project="p"), "gs://bucket"


@pytest.fixture(scope="module")
def azure(start):
    pytest.importorskip("adlfs")
    options = ("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent")
    url = start("azurite-blob", "--blobPort", "PORT", *options, AZURITE_ACCOUNTS=f"{ACCOUNT}:{KEY}")
    connection = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"
    store = fsspec.filesystem("abfs", connection_string=connection)
    store.mkdir("bucket")
    return store, "abfs://bucket"


@pytest.fixture(params=["google", "azure"])
def store(request, wandb_env):
    return request.getfixturevalue(request.param)


def log(uri, filesystem, name="x"):
    """Refer to a URI in an offline run; returns the folder of the runs."""
    with wandb.init(project="p", entity="acme", mode="offline") as run:
        log_value(run, name, uri, ["here"], storage="reference", filesystem=lambda _: filesystem)
        return run_folder(run).parent


def load(runs, filesystem, name="x"):
    return load_artifact(name, offline=runs, filesystem=lambda _: filesystem)


@pytest.mark.parametrize("change", ["same size", "another size", "deleted"])
def test_an_object_comes_back_as_it_was_or_is_named(store, change):
    filesystem, root = store
    uri = f"{root}/raw/x 1.bin"
    filesystem.pipe(uri, b"contents")
    runs = log(uri, filesystem)
    assert load(runs, filesystem).read_bytes() == b"contents"
    if change == "deleted":
        filesystem.rm(uri)
    else:
        filesystem.pipe(uri, b"changed!" if change == "same size" else b"more than there was")
    reason = "does not exist" if change == "deleted" else "was changed since"
    with pytest.raises(IntegrityError, match=f"^{uri}.* {reason}"):
        load(runs, filesystem)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_comes_back_with_all_that_is_in_it(store, end):
    filesystem, root = store
    filesystem.pipe({f"{root}/tree/a": b"a", f"{root}/tree/deep/b": b"bb", f"{root}/trees/c": b"beside it"})
    runs = log(f"{root}/tree{end}", filesystem)
    back = load(runs, filesystem)
    assert {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        "a": b"a",
        "deep/b": b"bb",
    }
    filesystem.pipe(f"{root}/tree/deep/b", b"cc")
    with pytest.raises(IntegrityError, match=f"^{root}/tree/deep/b was changed since"):
        load(runs, filesystem)


@pytest.mark.parametrize("key", ["none", "none/", "../nowhere/none"])
def test_what_is_not_there_is_no_empty_artifact(store, key):
    filesystem, root = store
    uri = f"{root}/{key}".replace("bucket/../", "")
    with pytest.raises(SerializerError, match=f"^{uri.rstrip('/')} does not exist"):
        to_reference("x", Location(uri, filesystem=lambda _: filesystem))


def test_azures_uri_with_the_account_names_the_same_object(azure, wandb_env):
    filesystem, _ = azure
    for scheme in ("abfs", "abfss"):
        root = f"{scheme}://bucket@{ACCOUNT}.dfs.core.windows.net"
        filesystem.pipe({"bucket/full/a": b"a", "bucket/full/deep/b": b"bb"})
        folder = load(log(f"{root}/full", filesystem, f"{scheme}_folder"), filesystem, f"{scheme}_folder")
        assert (folder / "deep" / "b").read_bytes() == b"bb"
        assert load(log(f"{root}/full/a", filesystem, scheme), filesystem, scheme).read_bytes() == b"a"
