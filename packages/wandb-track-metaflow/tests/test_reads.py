"""How reads are told from mere looks, and changed values from unchanged ones."""

from __future__ import annotations

import importlib.util
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from wandb_track_metaflow._reads import Reads, fingerprint


class Datastore:
    """As much of a task's datastore as a read needs: variables, and their content keys."""

    def __init__(self, **variables):
        self.variables = variables
        self._objects = {name: f"key of {name}" for name in variables}


class Flow:
    """Loads variables as a FlowSpec does: on first read, into its own dictionary."""

    def __init__(self, **variables):
        self._datastore = Datastore(**variables)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._datastore.variables:
            raise AttributeError(name)
        value = pickle.loads(pickle.dumps(self._datastore.variables[name]))
        setattr(self, name, value)
        return value


@pytest.fixture
def flow():
    return Flow(a=[1], b=[2], c=[3])


@pytest.fixture
def reads(flow):
    watching = Reads(flow)
    watching.start()
    yield watching
    watching.stop()


def names(reads):
    return {read.name for read in reads.versions()}


def test_attributes_and_getattr_are_reads(flow, reads):
    """Each is noted once, under its content key."""
    assert (flow.a, flow.a, getattr(flow, "b")) == ([1], [1], [2])  # noqa: B009 - the point of the test
    assert {(read.name, read.key) for read in reads.versions()} == {("a", "key of a"), ("b", "key of b")}


def test_hasattr_is_no_read_but_a_read_after_it_is(flow, reads):
    """In all the forms in which Python calls it."""
    name = "b"
    assert hasattr(flow, "a")
    assert hasattr(flow, name)
    assert [True for each in (flow,) if hasattr(each, "c")] == [True]
    assert not hasattr(flow, "d")
    assert names(reads) == set()
    assert vars(flow).keys() == {"_datastore"}
    assert flow.b == [2]
    assert names(reads) == {"b"}


def test_getattr_beside_hasattr_is_a_read(flow, reads):
    """In one expression."""
    assert getattr(flow, "a") if hasattr(flow, "a") else None  # noqa: B009
    assert names(reads) == {"a"}


def test_only_what_was_changed_stays_with_the_flow(flow, reads):
    """The rest keeps the content key that it came with."""
    flow.a.append(5)
    assert flow.b == [2]
    flow.c = [3]
    assert reads.settle(flow, let_go=True) == {"b"}
    assert vars(flow).keys() == {"_datastore", "a", "c"}
    assert reads.kept == {}


def test_in_a_branch_all_stays_as_without_tracking(flow, reads):
    """And it is known under which key it came."""
    flow.a.append(5)
    assert flow.b == [2]
    assert reads.settle(flow, let_go=False) == {"b"}
    assert vars(flow).keys() == {"_datastore", "a", "b"}
    assert reads.kept == {"b": "key of b"}


def test_what_was_only_looked_for_can_be_deleted(flow, reads):
    """As Metaflow itself allows, which has loaded it then; what is not there cannot."""
    if hasattr(flow, "a"):
        del flow.a
    assert flow.b == [2]
    del flow.b
    assert vars(flow).keys() == {"_datastore"}
    with pytest.raises(AttributeError):
        del flow.nothing


def test_a_class_is_left_as_it_was(flow):
    """Also where it has a `__getattr__` of its own, as here."""
    before = Flow.__getattr__
    watching = Reads(flow)
    watching.start()
    assert Flow.__getattr__ is not before
    assert "__delattr__" in vars(Flow)
    for _ in range(2):
        watching.stop()
        assert Flow.__getattr__ is before
        assert "__delattr__" not in vars(Flow)


class Slow:
    """Takes its time to be pickled, as some gigabytes would."""

    def __reduce__(self):
        time.sleep(0.4)
        return Slow, ()


def test_the_alarm_of_timeout_is_heard_by_the_step_not_by_the_watching():
    """Where it would otherwise end the fingerprint of what is read, and the step would have no limit any more."""
    flow = Flow(slow=Slow())
    watching = Reads(flow)

    def alarm(number, frame):
        raise TimeoutError("the step's time is over")

    before = signal.signal(signal.SIGALRM, alarm)
    watching.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1)
        assert isinstance(flow.slow, Slow)
        with pytest.raises(TimeoutError, match="the step's time"):
            time.sleep(30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        watching.stop()
    assert names(watching) == {"slow"}


def again(value):
    return pickle.loads(pickle.dumps(value))


FRAME = pd.DataFrame({"text": ["a", "b"], "day": pd.date_range("2026-01-01", periods=2), "x": [1.5, 2.5]})


@pytest.mark.parametrize("value", [FRAME, np.arange(6).reshape(2, 3).T, {"nested": [{1, 2}, None]}, "text"])
def test_a_loaded_value_has_the_same_fingerprint_until_it_is_changed(value):
    """Loaded twice, or loaded from a pickle of what was loaded."""
    first = again(value)
    assert fingerprint(first) == fingerprint(first) == fingerprint(again(value)) == fingerprint(again(first))


def test_any_change_changes_the_fingerprint():
    """Of a cell, of an element of an array, of a nested part."""
    frame, array, nested = again(FRAME), np.zeros(1_000_000), {"a": [{"b": 1}]}
    before = [fingerprint(value) for value in (frame, array, nested)]
    frame.loc[1, "x"] = 3.5
    array[999_999] = 1
    nested["a"][0]["b"] = 2
    assert not set(before) & {fingerprint(value) for value in (frame, array, nested)}


def test_an_estimator_has_the_same_fingerprint_in_each_load_of_one_pickle():
    """Which of its equal texts are one object differs between the first load in a process and later ones."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    stored = pickle.dumps(ensemble.RandomForestClassifier(2, random_state=0).fit([[0.0], [1.0]], [0, 1]))
    code = (
        "import pickle, sys; from wandb_track_metaflow._reads import fingerprint; stored = sys.stdin.buffer.read();"
        "print(len({fingerprint(pickle.loads(stored)) for _ in range(3)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=stored, capture_output=True, check=True)
    assert done.stdout == b"1\n"


def test_what_cannot_be_pickled_has_no_fingerprint():
    """It counts as changed."""
    assert fingerprint(lambda: None) is None


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="there is no torch here")
def test_tensors_are_compared_by_contents_not_by_address():
    """Of any type; a trained module differs."""
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    first, second = again(module), again(module)
    assert fingerprint(first) == fingerprint(second)
    with torch.no_grad():
        second[0].weight[0, 0] += 1
    assert fingerprint(first) != fingerprint(second)
    for change in (
        lambda tensor: setattr(tensor, "tag", "new"),
        lambda tensor: setattr(tensor, "data", tensor.to(memory_format=torch.channels_last)),
    ):
        image = torch.zeros(1, 2, 3, 4)
        before = fingerprint(image)
        change(image)
        assert fingerprint(image) != before
    kinds = [torch.zeros(0), torch.tensor(1.0), torch.tensor([True]), torch.ones(2, dtype=torch.bfloat16)]
    assert len({fingerprint(tensor) for tensor in kinds}) == len(kinds)
    assert all(fingerprint(tensor) == fingerprint(tensor.clone()) for tensor in kinds)
