"""Two executions of one flow at the same time, against a server: nobody reads what the other one made."""

from __future__ import annotations

import subprocess
from collections import defaultdict

import pytest


@pytest.fixture(scope="module")
def race(standin_session, workplace):
    workplace.env.update(standin_session.env(), MEETING=str(workplace.folder))
    executions = [
        subprocess.Popen(
            workplace.command("race.py", "--no-pylint", "run", "--name_of", name),
            cwd=workplace.folder,
            env=workplace.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "two")
    ]
    outputs = [execution.communicate(timeout=600)[0] for execution in executions]
    assert [execution.returncode for execution in executions] == [0, 0], "\n".join(outputs)
    assert not any("wandb-track:" in output for output in outputs), "\n".join(outputs)
    groups = defaultdict(list)
    for run in standin_session.runs.values():
        if run.project == "race":
            groups[run.group].append(run)
    return groups


def test_each_consumer_is_linked_to_its_own_executions_version(race):
    """Over a foreach, a join, and a step without tracking in which Metaflow stored the frame again."""
    assert len(race) == 2
    for group, runs in race.items():
        used = {
            (run.job_type, use.artifact.collection.name, use.artifact.run.job_type, use.artifact.run.group)
            for run in runs
            for use in run.used
        }
        assert used == {
            ("work", "frame", "start", group),
            ("join", "result", "work", group),
            ("end", "best", "join", group),
            ("end", "result", "work", group),
            ("end", "frame", "start", group),
        }


def test_versions_differ_between_executions_and_what_a_join_picks_is_none(race, standin_session):
    """Each execution made one frame, two results and one best; picking and handing on made nothing."""
    made = {
        name: len(standin_session.collections[standin_session.default_entity, "race", name].versions)
        for name in ("frame", "result", "best")
    }
    assert made == {"frame": 2, "result": 4, "best": 2}
    runs = [run for group in race.values() for run in group]
    assert {run.exit_code for run in runs} == {0}
    assert sorted({run.job_type: len(run.logged) for run in runs}.items()) == [
        ("end", 0),
        ("join", 1),
        ("start", 1),
        ("work", 1),
    ]


def test_an_input_that_no_tracked_step_made_is_no_link_and_no_error(race, standin_session):
    """Each join read such a frame; nothing was said of it, and the runs went well."""
    assert (standin_session.default_entity, "race", "by_nobody") not in standin_session.collections
    assert all(run.exit_code == 0 for runs in race.values() for run in runs)


def test_a_join_is_linked_to_every_branch_it_read(race):
    """Both results, not the one that it picked."""
    for runs in race.values():
        (join,) = [run for run in runs if run.job_type == "join"]
        assert len({use.artifact.id for use in join.used}) == 2


def test_every_version_carries_its_content_key_and_the_newest_is_latest(race, standin_session):
    """So `{name}:latest` works as it always has."""
    frame = standin_session.collections[standin_session.default_entity, "race", "frame"]
    assert frame.latest is frame.versions[-1]
    assert all(any(alias.startswith("sha-") for alias in version.aliases) for version in frame.versions)
    assert all(version.missing == [] for version in frame.versions)


def test_a_server_that_does_not_answer_holds_up_no_step_and_the_link_is_kept(workplace_of, standin):
    """The step is told which link is missing; it lies beside the run."""
    place = workplace_of("silent", **standin.env())
    with standin.fault("ArtifactMembershipByName", "hang"):
        execution = place.run("plain.py", "--with", "wandb_log:datasets=true,project=x")
    assert "not linked as an input: source: the server does not answer" in execution.output
    start, end = execution.only("start"), execution.only("end")
    assert execution.used(end) == set(execution.made(start).items())
    assert {run.exit_code for run in standin.runs.values()} == {0}
