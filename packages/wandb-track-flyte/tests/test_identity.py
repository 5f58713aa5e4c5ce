"""From what flytekit and a container's environment say to the id of a run: the pod's name, or one that is derived."""

import contextlib
import os

import pytest
from flytekit.bin.entrypoint import setup_execution
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wandb_track_flyte._context import identity_of

PROJECT, DOMAIN, EXECUTION = "flytesnacks", "development", "f6af03c1"
VARIABLES = (
    "FLYTE_ATTEMPT_NUMBER",
    "FLYTE_INTERNAL_WORKER_NAME",
    "_F_WN",
    "HOSTNAME",
    "BATCH_JOB_ARRAY_INDEX_VAR_NAME",
    "BATCH_JOB_ARRAY_INDEX_OFFSET",
    "FLYTE_K8S_ARRAY_INDEX",
)


def train():
    """Stands for the task's function."""


@contextlib.contextmanager
def container(outputs, raw, execution=EXECUTION, task="flows.train", attempt=0, index=None, **variables):
    """The state in which the entry point of a container runs a task."""
    saved = dict(os.environ)
    for name in VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(
        {
            "FLYTE_INTERNAL_EXECUTION_PROJECT": PROJECT,
            "FLYTE_INTERNAL_EXECUTION_DOMAIN": DOMAIN,
            "FLYTE_INTERNAL_EXECUTION_ID": execution,
            "FLYTE_INTERNAL_TASK_NAME": task,
            "FLYTE_ATTEMPT_NUMBER": str(attempt),
            **variables,
        }
    )
    if index is not None:
        os.environ |= {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX", "FLYTE_K8S_ARRAY_INDEX": str(index)}
    try:
        with setup_execution(raw_output_data_prefix=raw, output_metadata_prefix=outputs):
            yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def outputs_of(path, execution=EXECUTION):
    return f"s3://bucket/metadata/propeller/{PROJECT}-{DOMAIN}-{execution}/{path}"


PLAIN = outputs_of("n0/data/0")
RAW = "s3://bucket/zz/f6af03c1-n0-0"


@pytest.mark.parametrize(
    ("outputs", "raw", "variables", "expected"),
    [
        pytest.param(PLAIN, RAW, {"HOSTNAME": "f6af03c1-n0-0"}, "f6af03c1-n0-0", id="a plain task: the pod's name"),
        pytest.param(PLAIN, RAW, {"HOSTNAME": "ip-10-0-3-7"}, "f6af03c1-n0-0", id="the host's network"),
        pytest.param(PLAIN, RAW, {}, "f6af03c1-n0-0", id="no host name"),
        pytest.param(PLAIN, "s3://b/raw", {"HOSTNAME": "gpu-7"}, "f6af03c1-n0-0", id="derived from node and attempt"),
        pytest.param(
            PLAIN, "s3://b/zz/fy3kq2ba", {"HOSTNAME": "fy3kq2ba"}, "fy3kq2ba", id="a name that the platform hashed"
        ),
        pytest.param(
            PLAIN, "s3://b/zz/fy3kq2ba", {"HOSTNAME": "ip-10-0-3-7"}, "fy3kq2ba", id="hashed, on the host's network"
        ),
        pytest.param(PLAIN, "s3://b/raw", {"HOSTNAME": "frontend"}, "f6af03c1-n0-0", id="a host that looks hashed"),
        pytest.param(
            PLAIN, RAW, {"HOSTNAME": "f6af03c1-n0-0-worker-1"}, "f6af03c1-n0-0-worker-1", id="a replica of the pod"
        ),
        pytest.param(
            PLAIN,
            RAW,
            {"HOSTNAME": "ip-10-0-3-7", "_F_WN": "f6af03c1-n0-0-worker-1"},
            "f6af03c1-n0-0-worker-1",
            id="a replica that is told its pod's name on the host's network",
        ),
        pytest.param(
            PLAIN, RAW, {"HOSTNAME": f"f6af03c1-n0-0-{'x' * 80}"[:63]}, "f6af03c1-n0-0", id="a host name that was cut"
        ),
        pytest.param(
            outputs_of("n0/data/0/dn1/0"),
            "s3://bucket/zz/f6af03c1-n0-0-dn1-0",
            {"HOSTNAME": "f6af03c1-n0-0-dn1-0"},
            "f6af03c1-n0-0-dn1-0",
            id="a child of a dynamic task",
        ),
        pytest.param(
            outputs_of("n0/data/0/dn1/0"), "s3://b/raw", {}, "f6af03c1-n0-0-dn1-0", id="a child, derived from its path"
        ),
        pytest.param("out", "raw", {"HOSTNAME": "f6af03c1-n0-0"}, None, id="a host name that nothing confirms"),
        pytest.param(
            None, RAW, {"HOSTNAME": "ip-10-0-3-7"}, "f6af03c1-n0-0", id="a process that an elastic task started"
        ),
        pytest.param(None, "raw", {}, None, id="nothing at all: W&B makes an id"),
    ],
)
def test_the_id_is_the_pods_name_where_that_is_known_and_derived_elsewhere(outputs, raw, variables, expected):
    with container(outputs, raw, **variables):
        assert identity_of(train).run_id == expected


def test_a_host_name_of_another_attempt_is_not_this_attempts_id():
    with container(outputs_of("n0/data/1"), "raw", attempt=1, HOSTNAME="f6af03c1-n0-0"):
        assert identity_of(train).run_id == "f6af03c1-n0-1"


@pytest.mark.parametrize("index", [0, 7])
@pytest.mark.parametrize("hostname", ["f6af03c1-n2-0-n{index}-1", "ip-10-0-3-7", "f6af03c1-n2-0"])
def test_an_element_of_a_map_task_has_the_id_of_its_own_pod_also_where_host_names_do_not_tell_it(index, hostname):
    outputs = outputs_of(f"n2/data/0/{index}/1")
    with container(outputs, "raw", attempt=1, index=index, HOSTNAME=hostname.format(index=index)):
        identity = identity_of(train)
    assert identity.run_id == f"f6af03c1-n2-0-n{index}-1"
    assert identity.indices == (index,)


def test_attempts_share_the_id_of_a_run_that_continues_them():
    with container(outputs_of("n0/data/0/dn1/0"), "s3://b/zz/f6af03c1-n0-0-dn1-0"):
        first = identity_of(train)
    with container(outputs_of("n0/data/0/dn1/1"), "s3://b/zz/f6af03c1-n0-0-dn1-1", attempt=1):
        second = identity_of(train)
    assert first.stable_id == second.stable_id == "f6af03c1-n0-0-dn1"
    assert first.run_id != second.run_id


def test_without_an_execution_a_task_has_no_id_of_ours():
    assert identity_of(train).run_id is None


NODES = ["n0", "n1", "my-node", "a-node-with-a-very-long-name-of-its-own"]
CHILDREN = [f"{parent}/{child}" for parent in ("n7/data/0", "n8/data/1") for child in ("dn0", "dn1")]
TASKS = st.tuples(
    st.sampled_from([EXECUTION, "f6af03c", "nightly", "gpu"]),  # execution; people can name them
    st.sampled_from([*(f"{node}/data" for node in NODES), *CHILDREN]),
    st.sampled_from([0, 1]),  # attempt
    st.sampled_from([None, 0, 1]),  # index in a map task
)
SIGHTS = st.fixed_dictionaries(
    {
        "outputs": st.sampled_from(["platform", "other", "missing"]),
        "raw": st.sampled_from(["platform", "other"]),
        "host": st.sampled_from(["pod", "gpu-node-0", "frontend", "cut", "missing"]),
        "task": st.sampled_from(["flows.train", "flows.evaluate"]),
    }
)


def id_of(task, sight):
    """The id that a task gets where a cluster lets it see that much of where it is."""
    execution, path, attempt, index = task
    unique = path.replace("/data", "").replace("/", "-")
    if index is not None:
        path, unique = f"{path}/0/{index}", f"{unique}-0-n{index}"
    generated = f"{execution}-{unique}-{attempt}"
    if len(generated) > 50:
        letters = (int.from_bytes(generated.encode(), "big") // 26**at % 26 for at in range(7))
        generated = "f" + "".join(chr(ord("a") + letter) for letter in letters)
    outputs = {
        "platform": outputs_of(f"{path}/{attempt}", execution),
        "other": f"/data/{execution}.{path.replace('/', '.')}/{attempt}",
        "missing": None,
    }
    raw = {"platform": f"s3://bucket/zz/{generated}", "other": "/raw"}
    host = {"pod": generated, "cut": f"{generated}-{'worker' * 20}"[:63], "missing": ""}.get(
        sight["host"], sight["host"]
    )
    with container(
        outputs[sight["outputs"]],
        raw[sight["raw"]],
        execution=execution,
        task=sight["task"],
        attempt=attempt,
        index=index,
        HOSTNAME=host,
    ):
        return identity_of(train).run_id


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TASKS, min_size=2, max_size=2, unique=True), SIGHTS, SIGHTS)
def test_two_tasks_never_share_an_id_however_little_their_containers_tell(tasks, one_sight, other_sight):
    one, other = id_of(tasks[0], one_sight), id_of(tasks[1], other_sight)
    assert one != other or one is None
