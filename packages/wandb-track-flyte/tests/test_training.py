"""A training pipeline of four tasks: each edge of its lineage, offline, synced and online, also from the cache."""

from collections import Counter

import pytest
from wandb_track_core.adapters import read_lineage
from wandb_track_testing.plugin import command_line, isolated_env, run_python

for library in ("pandas", "pyarrow", "sklearn"):
    pytest.importorskip(library)

RUNS = Counter(make=1, split=1, candidate=3, select=1)
FIRST = Counter(
    [
        ("make", "make", None),
        ("make", "make", "split"),
        ("split", "train", None),
        ("split", "test", None),
        *3 * [("split", "train", "candidate")],
        ("split", "train", "select"),
        ("split", "test", "select"),
        ("select", "model", None),
    ]
)
"""Each edge: the task that produced an artifact, its name, and the task that used it; None where it was produced."""
AGAIN = Counter(edge for edge in FIRST if "select" in edge)
"""What an execution adds in which all but the last task come from the cache."""


def on_disk(runs):
    """Each input is exactly the version that one run logged: entity, project, name and alias."""
    edges = [(run, edge) for run in runs for edge in read_lineage(run.folder)]
    outputs = [(run, edge) for run, edge in edges if edge["edge"] == "output"]
    producers = {f"e/p/{edge['name']}:{edge['aliases'][-1]}": run.job_type for run, edge in outputs}
    assert len(producers) == len(outputs)
    found = Counter((run.job_type, edge["name"], None) for run, edge in outputs)
    for run, edge in edges:
        if edge["edge"] == "input":
            producer = producers[f"{edge['name']}:{edge['alias']}"]
            found[producer, edge["name"].removeprefix("e/p/"), run.job_type] += 1
    return found


def on_server(runs):
    """A version whose contents are logged again stays that of the run that logged them first."""
    found = Counter()
    for run in runs:
        found.update((run.job_type, artifact.collection.name, None) for artifact in (*run.logged, *run.logged_again))
        found.update((use.artifact.run.job_type, use.artifact.collection.name, run.job_type) for use in run.used)
    return found


def tasks(runs):
    return Counter(run.job_type for run in runs)


def test_offline_and_synced_each_edge_is_there_also_from_the_cache(bench, standin):
    bench.pyflyte_run("training", "pipeline", "--n", "12")
    first = bench.runs(6)
    assert (tasks(first), on_disk(first)) == (RUNS, FIRST)
    scores = {run.config["strength"]: run.summary["candidate"] for run in first if run.job_type == "candidate"}
    assert len(scores) == 3
    assert min(scores.values()) > 0.5

    bench.pyflyte_run("training", "pipeline", "--n", "12", "--note", "again")
    both = bench.runs(7)
    assert (tasks(both), on_disk(both)) == (RUNS + Counter(select=1), FIRST + AGAIN)

    bench.pyflyte_run("training", "pipeline", "--n", "12", "--note", "again")
    bench.runs(7)  # where all is a hit, there is no run

    env = isolated_env(bench.folder, **{**standin.env(), "WANDB_MODE": None})
    run_python(command_line, env, "sync", *(str(run.folder) for run in both))
    assert {run.id for run in standin.runs.values()} == {run.id for run in both}
    assert on_server(standin.runs.values()) == FIRST + AGAIN


def test_online_each_edge_is_there_also_from_the_cache(bench, standin):
    bench.pyflyte_run("training", "pipeline", "--n", "14", **standin.env())
    assert (tasks(standin.runs.values()), on_server(standin.runs.values())) == (RUNS, FIRST)

    bench.pyflyte_run("training", "pipeline", "--n", "14", "--note", "again", **standin.env())
    runs = standin.runs.values()
    assert (tasks(runs), on_server(runs)) == (RUNS + Counter(select=1), FIRST + AGAIN)
    assert {run.state for run in runs} == {"finished"}
