"""The stand-in fails on order, at each phase of a run, and the addresses at which nothing answers."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode

import pytest
import wandb
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python, valid_key
from wandb_track_testing.standin import NO_SUCH_HOST, StandIn, black_hole, refused, tls_garbage

QUICK = {
    "x_graphql_retry_wait_min_seconds": 0.05,
    "x_graphql_retry_wait_max_seconds": 0.1,
    "x_file_stream_retry_wait_min_seconds": 0.05,
    "x_file_stream_retry_wait_max_seconds": 0.1,
    "x_file_stream_transmit_interval": 0.1,
    "x_file_transfer_retry_wait_min_seconds": 0.05,
    "x_file_transfer_retry_wait_max_seconds": 0.1,
}


def viewer(url, key=valid_key, timeout=5):
    """Ask as the client does; the status and the answer."""
    request = urllib.request.Request(
        f"{url}/graphql",
        data=json.dumps({"query": "query Viewer { viewer { id entity } }"}).encode(),
        headers={"Authorization": "Basic " + b64encode(f"api:{key}".encode()).decode()} if key else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def server():
    with StandIn() as server:
        yield server


@pytest.fixture(autouse=True)
def healthy(server):
    yield
    server.clear_faults()
    assert viewer(server.url)[0] == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
def test_status(server, status):
    """A fault answers with its status so many times as it was told, and then no more."""
    fault = server.fault("Viewer", status, times=2)
    assert [viewer(server.url)[0] for _ in range(3)] == [status, status, 200]
    assert [request.status for request in fault.hits] == [status, status]


def test_no_answer(server):
    """A hanging request has no answer until the fault is cleared; the connection is cut then."""
    with server.fault("any", "hang"), pytest.raises(TimeoutError):
        viewer(server.url, timeout=0.3)


def test_connection_cut(server):
    """The connection can end without an answer."""
    with server.fault("any", "close"), pytest.raises(http.client.RemoteDisconnected):
        viewer(server.url)


def test_garbage(server):
    """The answer can be something that is no JSON."""
    with server.fault("any", "garbage"), pytest.raises(ValueError, match=r"Expecting value|decode"):
        viewer(server.url)


def test_delay(server):
    """An answer can be late, and right."""
    with server.fault(lambda request: request.operation == "Viewer", None, delay=0.2) as fault:
        assert viewer(server.url)[0] == 200
    assert fault.hits[0].seconds >= 0.2


def test_latency():
    """Every answer can take a while."""
    with StandIn(latency=0.1) as server:
        viewer(server.url)
        assert server.requests[0].seconds >= 0.1


def test_keys(server):
    """Rejected, unknown and missing keys are answered with 401."""
    server.rejected_keys.add("bad")
    assert viewer(server.url, key="bad")[0] == 401
    assert viewer(server.url, key=None)[0] == 401
    assert [request.key for request in server.requests[-2:]] == ["bad", ""]
    with StandIn(keys=["good"]) as strict:
        assert (viewer(strict.url, key="good")[0], viewer(strict.url)[0]) == (200, 401)


def test_unknown_document(server):
    """A document that the stand-in does not know is refused and kept."""
    body = json.dumps({"query": "query Odd { viewer { shoeSize } }"}).encode()
    header = {"Authorization": "Basic " + b64encode(b"api:k").decode()}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/graphql", data=body, headers=header))
    assert "shoeSize" in server.unanswered[-1]


def test_wrong_contents(server):
    """An upload whose contents are not those that were announced is refused."""
    request = urllib.request.Request(
        f"{server.url}/storage/artifact/acme/{'0' * 32}/a", data=b"x", method="PUT", headers={"Content-MD5": "AAAA"}
    )
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_gone_and_back(server):
    """A stopped server refuses connections, and is there again on the same port with what it knew."""
    url, known = server.url, len(server.requests)
    server.stop()
    with pytest.raises(urllib.error.URLError, match="refused"):
        viewer(url)
    server.restart()
    assert server.url == url
    assert viewer(url)[0] == 200
    assert len(server.requests) > known


def test_addresses():
    """Each address fails in its own way."""
    with pytest.raises(urllib.error.URLError, match="refused"):
        viewer(refused())
    with pytest.raises(urllib.error.URLError) as error:
        viewer(NO_SUCH_HOST)
    assert isinstance(error.value.reason, socket.gaierror)
    with black_hole() as url, pytest.raises((TimeoutError, urllib.error.URLError), match="timed out"):
        viewer(url, timeout=0.3)
    with tls_garbage() as url, pytest.raises(urllib.error.URLError) as error:
        viewer(url)
    assert isinstance(error.value.reason, (ssl.SSLError, ConnectionError))


@pytest.mark.parametrize("trouble", ["status", "key", "entity", "project"])
def test_client_cannot_open(wandb_online, trouble):
    """The real client gives up at once where it is told that it may not write."""
    if trouble == "status":
        wandb_online.fault("opening", 400)
    elif trouble == "key":
        wandb_online.rejected_keys.add(valid_key)
    else:
        names, name = (wandb_online.unknown, "acme") if trouble == "entity" else (wandb_online.forbidden, "acme/p")
        names.add(name)
    with pytest.raises(wandb.errors.CommError):
        wandb.init(project="p", settings=wandb.Settings(init_timeout=20))
    status = {"status": 400, "key": 401, "entity": 404, "project": 403}[trouble]
    assert wandb_online.requests[-1].status == status
    assert wandb_online.runs == {}


def test_client_recovers_in_every_phase(wandb_online, wandb_env):
    """The real client repeats what failed in each phase, and everything arrives once."""
    faults = {phase: wandb_online.fault(phase, 503, times=1) for phase in ("opening", "mid-run", "upload", "finish")}
    put = wandb_online.fault("/storage/artifact", 500, times=1)
    (wandb_env / "a").write_text("1")
    with wandb.init(project="p", settings=wandb.Settings(**QUICK)) as run:
        run.log({"x": 1})
        artifact = wandb.Artifact("data", "dataset")
        artifact.add_file("a")
        run.log_artifact(artifact).wait()
        run.log({"x": 2})
    assert {name: len(fault.hits) for name, fault in faults.items()} == dict.fromkeys(faults, 1)
    assert len(put.hits) == 1
    assert wandb_online.run.values("x") == [1, 2]
    assert wandb_online.run.state == "finished"
    assert wandb_online.artifact("data:v0", project="p").missing == []


def test_client_survives_absence(wandb_online):
    """What the real client logs while the server is gone arrives when it is back."""
    run = wandb.init(project="p", settings=wandb.Settings(**QUICK))
    run.log({"x": 1})
    wandb_online.stop()
    run.log({"x": 2})
    wandb_online.restart()
    run.log({"x": 3})
    run.finish()
    assert wandb_online.run.values("x") == [1, 2, 3]
    assert wandb_online.run.state == "finished"


def test_client_with_hanging_finish(wandb_online):
    """Where the last message hangs, the server never learns of the end."""
    run = wandb.init(project="p", settings=wandb.Settings(finish_timeout=1, **QUICK))
    run.log({"x": 1})
    fault = wandb_online.fault("finish", "hang")
    run.finish()
    assert len(fault.hits) >= 1
    assert wandb_online.run.state == "running"


def test_shared_mode(wandb_env, standin):
    """Two processes that share a run do not write over each other's rows."""
    code = """
import sys, wandb
rank = int(sys.argv[1])
settings = wandb.Settings(mode="shared", x_label=f"rank{rank}", x_primary=rank == 0, x_update_finish_state=rank == 0)
with wandb.init(project="p", id="one", settings=settings) as run:
    if rank == 0:
        import os, subprocess
        env = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        subprocess.run([sys.executable, "-c", os.environ["CODE"], "1"], env=env, check=True)
    for i in range(3):
        run.log({f"of-{rank}": i})
"""
    env = isolated_env(wandb_env, CODE=code) | standin.env()
    del env["WANDB_MODE"]
    run_python(code, env, "0")
    assert [standin.run.values(f"of-{rank}") for rank in (0, 1)] == [[0, 1, 2], [0, 1, 2]]
    assert standin.run.state == "finished"


def test_own_process(wandb_env):
    """The server runs on its own too, says where it is, and at the end what it got."""
    env = isolated_env(wandb_env)
    server = subprocess.Popen(
        [sys.executable, "-m", "wandb_track_testing.standin", "--entity", "team"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        url = server.stdout.readline().strip()
        os.environ.update(WANDB_BASE_URL=url, WANDB_API_KEY=valid_key, WANDB_MODE="online")
        with wandb.init(project="p", id="one") as run:
            run.log({"x": 1})
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=20)
    state = json.loads(out)
    assert state["runs"]["team/p/one"]["history"] == [{"_step": 0, "x": 1}]
    assert state["runs"]["team/p/one"]["state"] == "finished"


def test_environment_is_isolated(tmp_path, monkeypatch):
    """A child sees nothing of this machine's settings, and what it writes stays below its folder."""
    monkeypatch.setenv("WANDB_PROJECT", "leaked")
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", "leaked")
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_ID", "leaked")
    env = isolated_env(tmp_path, WANDB_NAME="kept", WANDB_SILENT=None)
    assert "leaked" not in env.values()
    assert (env["WANDB_NAME"], "WANDB_SILENT" in env) == ("kept", False)
    run_python("import wandb; wandb.init(project='p').finish()", env)
    assert [run.name for run in find_runs(tmp_path)] == ["kept"]
    with pytest.raises(pytest.fail.Exception, match="exit code 3"):
        run_python("raise SystemExit(3)", env)
    assert run_python("raise SystemExit(3)", env, check=False).returncode == 3


def test_environment_is_restored(pytester):
    """Nothing of a test with the fixture reaches the next: environment, folder, and the client's session."""
    pytester.makepyfile(
        """
        import os, wandb
        def state():
            return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}, os.getcwd()
        before = state()
        def test_first(wandb_env):
            os.environ["WANDB_PROJECT"] = "leaked"
            wandb.init(name="left open")
            assert os.getcwd() == str(wandb_env)
        def test_second():
            assert state() == before
            assert wandb.run is None
            assert wandb.setup().settings.project is None
            wandb.teardown()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
