"""Identity: from any ids to legal names of a run, the same for the same task, and never shared by two."""

import itertools
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wandb_track_core import ArgumentError, TaskIdentity, TrackedRun
from wandb_track_core.adapters import legal_alias, legal_artifact_name, legal_id, legal_tags

LEGAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
texts = st.one_of(
    st.text(),
    st.text(string.ascii_letters + string.digits + "-_./: ", max_size=80),
    st.text(st.characters(exclude_categories=())),  # lone surrogates, too
    st.integers(0, 3).map(lambda n: "x" * 10_000 + "y" * n),
)
keys = st.lists(texts, min_size=1, max_size=5).map(tuple)
attempts = st.integers(0, 1000)


@given(keys, attempts)
def test_every_input_gives_a_legal_id_of_at_most_64_characters(key, attempt):
    identity = TaskIdentity("any", "task", key=key, attempt=attempt)
    assert LEGAL_ID.fullmatch(identity.run_id)
    assert LEGAL_ID.fullmatch(identity.stable_id)


@given(keys, attempts)
def test_the_same_task_attempt_always_has_the_same_id(key, attempt):
    first = TaskIdentity("any", "task", key=key, attempt=attempt)
    again = TaskIdentity("any", "task", key=tuple("".join(part) for part in key), attempt=attempt)
    assert first.run_id == again.run_id


@given(keys, attempts, keys, attempts)
def test_two_task_attempts_never_share_an_id(key, attempt, other_key, other_attempt):
    one = TaskIdentity("any", "task", key=key, attempt=attempt)
    other = TaskIdentity("any", "task", key=other_key, attempt=other_attempt)
    assert (one.run_id == other.run_id) == ((key, attempt) == (other_key, other_attempt))


@given(st.lists(st.sampled_from(["a", "b", "-", "/", ":", "", ".", "é", "_"]), min_size=2, max_size=6), st.data())
def test_texts_that_cleaning_or_joining_would_make_alike_stay_apart(pieces, data):
    cuts = data.draw(st.lists(st.integers(0, len(pieces)), min_size=1, max_size=3))
    bounds = [0, *sorted(cuts), len(pieces)]
    parts = tuple("".join(pieces[low:high]) for low, high in itertools.pairwise(bounds))
    whole = ("".join(pieces), *[""] * (len(parts) - 1))
    assert (legal_id(parts) == legal_id(whole)) == (parts == whole)


def test_an_id_that_was_cleaned_is_never_the_id_of_a_task_that_is_really_called_so():
    cleaned = legal_id(("a:b", "0"))
    assert cleaned != legal_id((cleaned,))
    assert LEGAL_ID.fullmatch(legal_id((cleaned,)))


def test_tasks_that_differ_only_behind_the_cut_stay_apart():
    long = [legal_id(("x" * 9_999 + end, "0")) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(each) == 64 for each in long)


@pytest.mark.parametrize(
    ("identity", "run_id"),
    [
        (TaskIdentity("flyte", "train", key=("f6af03c1", "n0")), "f6af03c1-n0-0"),
        (TaskIdentity("flyte", "train", platform_id="f6af03c1-n0-0", attempt=3), "f6af03c1-n0-0"),
        (TaskIdentity("flyte", "train", key=("f6af03c1", "n0", "17"), attempt=2), "f6af03c1-n0-17-2"),
        (
            TaskIdentity("metaflow", "train", key=("TrainFlow", "1722", "train", "3"), attempt=1),
            "TrainFlow-1722-train-3-1",
        ),
    ],
)
def test_what_is_legal_and_short_stays_readable_as_it_is(identity, run_id):
    assert identity.run_id == run_id


def test_an_id_that_had_to_change_still_begins_readably():
    assert legal_id(("my flow", "run/1", "0")).startswith("my_flow-run_1-0.")


def test_without_ids_of_the_orchestrator_the_client_makes_one():
    assert TaskIdentity("flyte", "train").run_id is None
    assert TaskIdentity("flyte", "train").stable_id is None


def test_the_stable_id_is_shared_by_all_attempts_and_is_none_of_theirs():
    attempts = [TaskIdentity("any", "t", key=("e", "n0"), attempt=n) for n in range(3)]
    assert {each.stable_id for each in attempts} == {"e-n0"}
    assert len({each.run_id for each in attempts} | {"e-n0"}) == 4


@given(keys, attempts, keys)
def test_a_stable_id_is_an_attempts_id_only_where_the_key_goes_on_with_that_attempt(key, attempt, other):
    """Both stay readable, so an orchestrator's keys must not be longer for some tasks by a number at their end."""
    for stable_key in (other, (*key, str(attempt))):
        one = TaskIdentity("any", "task", key=key, attempt=attempt)
        stable = TaskIdentity("any", "task", key=stable_key)
        assert (one.run_id == stable.stable_id) == (stable_key == (*key, str(attempt)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", None),
        ("orchestrator", ""),
        ("workflow", 3),
        ("key", "e1"),
        ("key", (1,)),
        ("tags", "abc"),
        ("values", ["a", None]),
        ("indices", (1.5,)),
        ("attempt", "1"),
        ("attempt", -1),
        ("attempt", True),
        ("rank", "0"),
        ("details", ["a"]),
    ],
)
def test_an_identity_that_cannot_be_meant_is_refused_by_the_name_of_what_is_wrong_in_it(field, value):
    identity = TaskIdentity("any", "train")._replace(**{field: value})
    with pytest.raises(ArgumentError, match=rf"identity\.{field} must be"):
        TrackedRun(identity)


def test_what_is_no_identity_is_refused():
    with pytest.raises(ArgumentError, match=r"identity must be a TaskIdentity, not a tuple"):
        TrackedRun(("any", "train"))


def test_the_name_tells_workflow_execution_task_siblings_and_attempt():
    identity = TaskIdentity(
        "metaflow",
        "train",
        key=("TrainFlow", "1722", "train", "3"),
        workflow="TrainFlow",
        execution="1722",
        attempt=1,
        indices=(0, 1),
        values=("a", "svm"),
    )
    assert identity.name == "TrainFlow/1722/train/3 [0=a, 1=svm] attempt 1"
    assert identity.group == "TrainFlow/1722"
    assert identity.job_type == "train"


@given(texts, texts, texts, st.lists(st.integers(0, 9)).map(tuple), st.lists(texts).map(tuple))
def test_name_group_and_job_type_keep_their_limits_and_can_be_encoded(workflow, execution, task, indices, values):
    identity = TaskIdentity("any", task, (task,), workflow, execution, 0, indices, values)
    assert len(identity.name.encode()) >= len(identity.name) <= 128
    assert len(identity.job_type.encode()) >= len(identity.job_type) <= 64
    assert (identity.group is None) == (not execution)
    assert len((identity.group or "").encode()) >= 0
    assert len(identity.group or "") <= 128


def test_the_config_holds_what_is_known_below_the_orchestrators_name():
    identity = TaskIdentity("flyte", "train", execution="f1", details={"domain": "dev", "version": None})
    assert identity.config == {"flyte": {"execution": "f1", "task": "train", "attempt": 0, "domain": "dev"}}


def test_the_link_is_one_line_of_markdown_or_nothing():
    assert (
        TaskIdentity("flyte", "t", url="https://flyte.example/e1").link == "[Execution URL](https://flyte.example/e1)"
    )
    assert TaskIdentity("flyte", "t").link == ""


@given(st.lists(texts))
def test_tags_are_cut_to_64_characters_and_stated_once(tags):
    cleaned = legal_tags(tags)
    assert all(1 <= len(tag) <= 64 for tag in cleaned)
    assert len(set(cleaned)) == len(cleaned)
    assert len(cleaned) == len({tag.encode("utf-8", "replace") for tag in tags if tag})


@given(texts, texts)
def test_artifact_names_are_legal_and_stay_apart(one, other):
    names = legal_artifact_name(one), legal_artifact_name(other)
    assert all(re.fullmatch(r"[a-zA-Z0-9_\-.]{1,128}", name) for name in names)
    assert (names[0] == names[1]) == (one == other)
    assert legal_artifact_name("raw_df") == "raw_df"
    assert legal_artifact_name("_private") == "_private"


def test_aliases_lose_only_what_is_forbidden_in_them():
    assert legal_alias("sha-0a1b") == "sha-0a1b"
    assert not set("/:") & set(legal_alias("a/b:c"))
    assert legal_alias("a/b") != legal_alias("a:b")
