"""What counts as a read, and how changed values are told from those that only have other bytes."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from wandb_track_metaflow._contents import digest_of
from wandb_track_metaflow._watch import Reads


class Datastore:
    """As much of a task's datastore as a read needs: variables, and their content keys."""

    def __init__(self, **variables):
        self.variables = variables

    def items(self):
        return {name: f"key of {name}" for name in self.variables}.items()

    def load_artifacts(self, names):
        for name in names:
            yield name, self.variables[name]


@pytest.fixture
def task():
    made = Datastore(a=[1], b=3.5, _hidden=1)
    source = made, dict(made.items())
    return SimpleNamespace(inputs=[source], datastore=Datastore(merged=np.ones(2)), is_join=False)


@pytest.fixture
def reads(task):
    watching = Reads(task)
    watching.start()
    return watching


def test_what_a_datastore_loads_is_read_by_name_and_key(task, reads):
    """Once, however often; what begins with "_" is Metaflow's own."""
    assert dict(task.inputs[0][0].load_artifacts(["a", "b", "_hidden"])) == {"a": [1], "b": 3.5, "_hidden": 1}
    assert next(iter(task.inputs[0][0].load_artifacts(["a"]))) == ("a", [1])
    assert {(read.name, read.key, read.kind) for read in reads.versions()} == {
        ("a", "key of a", "summary"),
        ("b", "key of b", "summary"),
    }


def test_nothing_holds_what_was_read(task, reads):
    """Neither the watching nor the iterator that gave it."""
    task.inputs[0][0].variables["a"] = np.ones(2)
    alive = weakref.ref(task.inputs[0][0].variables["a"])
    given = task.inputs[0][0].load_artifacts(["a", "b"])
    assert next(given)[0] == "a"
    del task.inputs[0][0].variables["a"]
    assert alive() is None


def test_a_read_is_known_by_the_very_object(task, reads):
    """A variable that was set to another one is no longer what was read."""
    assert list(task.inputs[0][0].load_artifacts(["a"]))
    value = task.inputs[0][0].variables["a"]
    assert reads.of("a", value).key == "key of a"
    assert reads.of("a", [1]) is None
    assert reads.of("b", value) is None


def test_what_a_join_merged_is_read_from_its_own_datastore(task, reads):
    """As Metaflow does after `merge_artifacts`."""
    assert list(task.datastore.load_artifacts(["merged"]))
    assert [(read.name, read.kind, read.is_own) for read in reads.versions()] == [("merged", "other", True)]


def test_a_watched_datastore_can_be_pickled_and_is_left_as_it_was(task, reads):
    """The flow's class holds it, and users pickle that class; the copy is not watched."""
    copy = pickle.loads(pickle.dumps(task.inputs[0][0]))
    assert list(copy.load_artifacts(["a"])) == [("a", [1])]
    assert reads.versions() == []
    for _ in range(2):
        reads.stop()
        assert vars(task.inputs[0][0]).keys() == {"variables"}


def again(value):
    return pickle.loads(pickle.dumps(value))


FRAME = pd.DataFrame({"text": ["a", "b"], "day": pd.date_range("2026-01-01", periods=2), "x": [1.5, 2.5]})


@pytest.mark.parametrize("value", [FRAME, np.arange(6).reshape(2, 3).T, b"bytes"])
def test_a_loaded_value_has_the_same_digest_until_it_is_changed(value):
    """Loaded twice, or loaded from a pickle of what was loaded."""
    first = again(value)
    assert digest_of("x", first) is not None
    assert digest_of("x", first) == digest_of("x", again(value)) == digest_of("x", again(first))


def test_any_change_changes_the_digest():
    """Of a cell, of an element of an array."""
    frame, array = again(FRAME), np.zeros(1_000_000)
    before = [digest_of("x", value) for value in (frame, array)]
    frame.loc[1, "x"] = 3.5
    array[999_999] = 1
    assert not set(before) & {digest_of("x", value) for value in (frame, array)}


def test_an_estimator_has_the_same_digest_in_each_load_of_one_pickle():
    """Which of its equal texts are one object may differ between the first load in a process and later ones."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    stored = pickle.dumps(ensemble.RandomForestClassifier(2, random_state=0).fit([[0.0], [1.0]], [0, 1]))
    code = (
        "import pickle, sys; from wandb_track_metaflow._contents import digest_of; stored = sys.stdin.buffer.read();"
        "first = pickle.loads(stored); kept = pickle.dumps(first);"
        "print(digest_of('x', pickle.loads(kept)) == digest_of('x', pickle.loads(stored)))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=stored, capture_output=True, check=True)
    assert done.stdout == b"True\n"


def test_what_cannot_be_stored_has_no_digest():
    """It counts as changed."""
    assert digest_of("x", (each for each in ())) is None


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="there is no torch here")
def test_modules_are_compared_by_contents_not_by_address():
    """A trained one differs."""
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    first, second = again(module), again(module)
    assert digest_of("x", first) == digest_of("x", second)
    with torch.no_grad():
        second[0].weight[0, 0] += 1
    assert digest_of("x", first) != digest_of("x", second)
