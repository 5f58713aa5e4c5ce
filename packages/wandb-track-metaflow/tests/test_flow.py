"""What is tracked of a flow that uses much of what Metaflow has; one execution, read from all sides."""

from __future__ import annotations

import json

import pytest
from wandb_track_core.adapters import read_lineage

FLOW = "everything.py"


@pytest.fixture(scope="module")
def execution(workplace):
    workplace.env["METAFLOW_UI_URL"] = "https://metaflow.example/"
    return workplace.run(FLOW, "--lr", "0.5", "--tag", "team:vision")


def own(values: dict) -> dict:
    """Without what the client adds of itself."""
    return {name: value for name, value in values.items() if not name.startswith("_")}


def test_the_step_has_the_real_flow_with_isinstance_super_del_properties_and_inherited_steps(execution):
    """The flow itself asserts these; its steps must all have run, with the values that plain Python gives them."""
    assert own(execution.only("inherited").summary) == {"from_base": "base", "helped": 20}
    assert execution.only("overridden").summary["who"] == "derived"
    start = execution.only("start").summary
    assert start["class_name"] == "Everything"
    assert start["text"] == "TEXT"
    assert "gone" not in start


def test_offline_a_step_that_reads_a_logged_frame_works_and_keeps_the_link(execution):
    """Where today's integration fails with a TypeError."""
    start = execution.made("start")
    assert all(run.exit_code == 0 for run in execution.of("leaf"))
    assert all(("df", start["df"]) in execution.used(run) for run in execution.of("leaf"))


def test_calling_helpers_of_a_decorated_flow_opens_no_run(execution):
    """There is exactly one run for each tracked task."""
    steps = [run.config["metaflow"]["task"] for run in execution.runs]
    assert sorted(steps) == sorted(
        [
            "start",
            "inherited",
            "fan",
            *["inner"] * 2,
            *["leaf"] * 4,
            *["join_leaves"] * 2,
            "join_all",
            "overridden",
            "end",
        ]
    )
    assert {run.exit_code for run in execution.runs} == {0}


def test_parameters_and_configs_go_to_config_and_an_included_file_only_by_size_and_hash(execution):
    """The text of an `IncludeFile` stands nowhere."""
    config = execution.only("start").config
    shown = {name: value for name, value in config.items() if name != "metaflow"}
    assert shown == {
        "lr": 0.5,
        "epochs": 3,
        "kind": "tree",
        "grid": {"depth": [1, 2]},
        "config": {"optimizer": {"name": "adam"}},
        "notes_file": {"size": 33, "sha1": "85a8974d1e2ab82d4ec05f2e99ec111b345fc432"},
    }
    assert all(b"belongs in no config" not in run.path.read_bytes() for run in execution.runs)


def test_base_types_go_to_summary_and_not_to_history(execution):
    """Without what the step did not set, did not keep, or excluded."""
    start = execution.only("start")
    assert own(start.summary) == {
        "numbers": [1, 2],
        "unique": ["a", "b"],
        "text": "TEXT",
        "unknown_yet": None,
        "class_name": "Everything",
        "settings": {"nested": {"deep": 1}},
        "project": "named like a setting",
    }
    assert start.history == []
    assert own(execution.only("end").summary) == {}


def test_only_what_a_step_set_becomes_its_artifacts(execution):
    """Neither locals nor what it read or never touched, nor functions, which are no variables to Metaflow."""
    assert {artifact.name: artifact.type for artifact in execution.only("start").artifacts} == {
        "df": "dataset",
        "untouched": "dataset",
        "changed": "dataset",
        "forest": "model",
    }
    assert all(name != "untouched" for run in execution.runs[1:] for name in execution.made(run))
    assert execution.only("inherited").artifacts == []


def test_siblings_of_a_foreach_can_be_told_apart_by_index_and_value(execution):
    """Nested ones by the whole stack."""
    run_id = execution.run_id
    leaves = {run.name: run.config["metaflow"] for run in execution.of("leaf")}
    ends = ["-".join(name.split("-")[-2:]) for name in leaves]
    assert sorted(ends) == ["0_x-0_0", "0_x-1_1", "1_y-0_10", "1_y-1_11"]
    assert all(name.startswith(f"Everything-{run_id}-leaf-") for name in leaves)
    (first,) = [facts for name, facts in leaves.items() if name.endswith("-1_y-0_10")]
    assert (first["indices"], first["values"], first["foreach"]) == ([1, 0], ["y", "10"], ["letters", "digits"])
    assert len({run.id for run in execution.runs}) == len(execution.runs)


def test_names_follow_from_the_task(execution):
    """Id, name, group, job type, tags, notes and config say which task it was."""
    run = execution.only("start")
    run_id = execution.run_id
    pathspec = f"Everything/{run_id}/start/1"
    assert run.id == f"Everything-{run_id}-start-1-0"
    assert run.name == pathspec.replace("/", "-")
    assert (run.group, run.job_type) == (f"Everything/{run_id}", "start")
    assert run.tags == ["nightly", "team:vision"]
    assert run.notes == f"[Execution URL](https://metaflow.example/{pathspec})"
    assert run.config["metaflow"] == {
        "workflow": "Everything",
        "execution": run_id,
        "task": "start",
        "task_id": "1",
        "attempt": 0,
        "pathspec": pathspec,
        "url": f"https://metaflow.example/{pathspec}",
        "user": "tester",
        "namespace": "user:tester",
        "tags": ["team:vision"],
    }


def place_of(run):
    """The elements of the `foreach` that a run is of."""
    return " ".join(run.config["metaflow"]["values"])


def test_every_edge_names_exactly_the_version_that_was_read(execution):
    """Never `latest`: by content key, through linear steps, nested foreach, joins and a step that is not tracked."""
    start, fan = execution.made("start"), execution.made("fan")
    leaves = {place_of(run): run for run in execution.of("leaf")}
    assert all(execution.used(leaf) == {("df", start["df"])} for leaf in leaves.values())
    tables = {name: execution.made(leaf)["table"] for name, leaf in leaves.items()}
    assert len(set(tables.values())) == 4
    # `hasattr(self, "untouched")` loads it, and so counts as reading it.
    assert execution.used("fan") == {(name, start[name]) for name in ("changed", "untouched")}
    assert execution.used("overridden") == {
        ("df", start["df"]),
        ("untouched", start["untouched"]),
        ("forest", start["forest"]),
    }
    assert execution.used("end") == {("forest", execution.made("overridden")["forest"]), ("df", start["df"])}
    assert set(fan) == {"changed"}
    ledger = [edge for run in execution.runs for edge in read_lineage(run.folder) if edge["edge"] == "input"]
    assert ledger
    assert all(edge["alias"].startswith("sha-") for edge in ledger)


def test_a_joins_inputs_have_lineage_and_what_it_picks_is_no_new_version(execution):
    """`self.table = inputs[1].table` is the leaf's version still, for whoever reads it later."""
    leaves = {place_of(run): execution.made(run)["table"] for run in execution.of("leaf")}
    joins = {place_of(run): run for run in execution.of("join_leaves")}
    assert execution.used(joins["x"]) == {("table", leaves["x 1"])}
    assert execution.used(joins["y"]) == {("table", leaves["y 11"])}
    assert all(execution.made(run) == {} for run in joins.values())
    assert {run.summary["score"] for run in joins.values()} == {3, 13}
    assert execution.used("join_all") == {
        ("table", leaves["x 1"]),
        ("table", leaves["y 11"]),
    }


def test_an_input_that_was_changed_in_place_is_input_and_output(execution):
    """It has another content key then; a copy under another name is an output, too."""
    start, fan, overridden = (execution.made(step) for step in ("start", "fan", "overridden"))
    assert fan["changed"] != start["changed"]
    assert overridden["forest"] != start["forest"]
    assert "replaced" in overridden


def test_an_artifact_keeps_the_variables_name_the_known_file_and_the_alias_latest(execution):
    """So that whoever reads those of today's integration can go on."""
    artifact = execution.only("start").artifact("df")
    assert set(artifact.entries) == {"df.parquet"}
    assert set(artifact.aliases) == {"latest", execution.made("start")["df"]}
    assert set(execution.only("start").artifact("forest").entries) == {"forest.pkl"}


def test_values_can_be_tracked_by_hand(execution):
    """`wandb_track` logs under a name of the step's choice, whatever its kind."""
    run = execution.only("overridden")
    assert set(run.artifact("by_hand").aliases) == {"latest", "mine"}
    assert run.summary["note"] == {"by": "hand"}


def test_a_version_that_is_not_one_cannot_be_used(execution):
    """`wandb_use` says why, and what to do."""
    assert (
        "versions in the branches of this join. Read inputs[i].table instead."
        in execution.only("join_all").summary["refusal"]
    )
    assert (
        "must be a variable that this step has as its input, not 'nothing'"
        in execution.only("overridden").summary["refusal"]
    )


def test_metaflow_knows_where_a_task_went_and_has_no_variables_of_ours(execution, workplace):
    """Task metadata names run, folder and artifacts; the flow's data hold none of ours."""
    seen = workplace.client(
        f"""
run = Run("Everything/{execution.run_id}")
start = run["start"].task
print(json.dumps({{
    "metadata": start.metadata_dict,
    "start": sorted(a.id for a in start),
    "keys": {{a.id: a.sha for a in start}},
    "seen": run["fan"].task.data.seen,
    "rows": run.data.rows,
}}))
"""
    )
    start = execution.only("start")
    metadata = seen["metadata"]
    assert metadata["wandb-run-id"] == start.id
    assert metadata["wandb-run-folder"] == str(start.folder)
    assert {one["name"]: one["alias"] for one in json.loads(metadata["wandb-artifacts"])} == execution.made(start)
    assert {f"sha-{seen['keys'][name]}" for name in ("df", "forest")} <= set(execution.made("start").values())
    assert not [name for name in seen["start"] if "wandb" in name]
    assert (seen["seen"], seen["rows"]) == (True, 4)
