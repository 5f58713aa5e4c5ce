"""What a task takes and gives is on its run, with exact links, through real workflows and containers."""

import asyncio
import functools

import pytest
from flytekit import task
from wandb_track_core import ArgumentError
from wandb_track_core.adapters import read_lineage
from wandb_track_flyte import wandb_init

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


def by_task(runs):
    return {run.job_type: run for run in runs}


def edges(run, edge):
    return {f"{each['name']}:{each['alias']}" for each in read_lineage(run.folder) if each["edge"] == edge}


def outputs(run):
    return {each["name"]: each["aliases"][-1] for each in read_lineage(run.folder) if each["edge"] == "output"}


def test_a_pipeline_has_parameters_outputs_and_exact_links(bench, load):
    assert load("values").pipeline(n=4) == 6
    runs = by_task(bench.runs(5))
    make, split, write, use = (runs[name] for name in ("make", "split", "write", "use"))
    assert {key: make.config[key] for key in ("n", "kind", "options", "seed")} == {
        "n": 4,
        "kind": "fast",
        "options": {"depth": 3},
        "seed": 7,  # config= wins
    }
    assert (make.summary["count"], use.summary["use"]) == (4, 6)
    frame = f"e/p/frame:{outputs(make)['frame']}"
    assert edges(split, "input") == edges(write, "input") == {frame}
    parts = {f"e/p/{name}:{alias}" for name, alias in outputs(split).items()}
    assert set(outputs(split)) == {"split_0", "split_1"}
    rows = f"e/p/write:{outputs(write)['write']}"
    assert edges(use, "input") == {frame, rows, *parts}
    assert edges(runs["hidden"], "input") == set()
    assert {artifact.type for run in runs.values() for artifact in run.artifacts} == {"dataset"}


def test_a_cached_output_leads_to_its_first_producer(bench, load):
    load("values").pipeline(n=5)
    first = by_task(bench.runs(5))
    bench.seen.update(run.path for run in first.values())
    load("values").pipeline(n=5)
    again = by_task(bench.runs(4))
    assert "make" not in again
    assert edges(again["split"], "input") == {f"e/p/frame:{outputs(first['make'])['frame']}"}


def test_cache_hits_are_those_of_an_untracked_task(bench, load):
    """The second execution opens no run, because flytekit finds the first one's outputs."""
    values = load("values")
    assert values.cached(n=6) == values.cached(n=6) == 6
    assert bench.run().job_type == "after"


def test_in_a_container_the_note_is_in_the_outputs_that_the_platform_gets(bench, load):
    values = load("values")
    inputs = {"n": 2, "kind": values.Kind.FAST, "options": values.Options(), "seed": 1}
    container = bench.container("values", "make", inputs)
    outcome = bench.execute_in_process_of_its_own(container, WANDB_MODE="offline")
    assert outcome.outputs["count"] == 2
    from flyteidl.core import literals_pb2

    literals = literals_pb2.LiteralMap.FromString((container.output_prefix / "outputs.pb").read_bytes()).literals
    run = bench.run()
    assert dict(literals["frame"].metadata)["wandb_track"] == f"e/p/frame:{outputs(run)['frame']}"
    assert not literals["count"].metadata


def test_a_link_that_cannot_be_made_and_a_fault_of_ours_cost_the_task_nothing(bench, load, monkeypatch, capfd):
    from wandb_track_flyte import _values

    monkeypatch.setattr(_values, "parts", lambda *_: 1 / 0)
    assert load("values").make(n=8, kind=load("values").Kind.FAST, options=load("values").Options()).count == 8
    assert "Please report this: ZeroDivisionError" in capfd.readouterr().err
    assert bench.run().exit_code == 0


@pytest.mark.parametrize("env", [{"UNTRACKED": "1"}, {}, {"STORAGE": "reference"}])
def test_hits_of_the_cache_are_the_same_with_and_without_us(bench, tmp_path, env):
    """With a hash that is declared, and with a fixed place: by what `pyflyte run` prints, twice."""
    ran = []
    for _ in range(2):
        said = bench.pyflyte_run("values", "twice", "--place", str(tmp_path / "x"), HOME=str(tmp_path), **env)
        ran.append([each.split()[0] for each in said.split("RAN ")[1:]])
    assert ran == [["cached_frame", "cached_file"], []]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *((flag, True) for flag in ("parameters", "datasets", "models", "others")),
        ("include", ["a"]),
        ("exclude", ["a"]),
        ("max_size", 1),
        ("storage", "reference"),
    ],
)
def test_below_task_a_flag_is_an_error_that_says_where_it_belongs(load, flag, value):
    with pytest.raises(ArgumentError, match=f"^{flag} needs .* Put @wandb_init above @task"):

        @wandb_init(project="p", entity="e", secret=lambda: None, **{flag: value})
        def function(x: int) -> int:
            return x


def test_a_flag_that_cannot_be_meant_is_named():
    with pytest.raises(ArgumentError, match="datasets must be True or False, not 'perhaps'"):
        wandb_init(project="p", entity="e", secret=lambda: None, datasets="perhaps")


def test_what_a_dynamic_task_passes_on_stays_linked_to_the_task_that_made_it(bench, load):
    """It returns a promise, which is no value of its own."""
    assert load("values").passed_on(n=4) == 4
    runs = by_task(bench.runs(3))
    assert edges(runs["count"], "input") == {f"e/p/frame:{outputs(runs['make'])['frame']}"}
    assert outputs(runs["promised"]) == {}


def test_elements_of_a_map_task_have_parameters_outputs_and_links_to_the_files_that_they_take(bench, load):
    """Locally; what they return is copied."""
    assert [len(frame) for frame in load("values").mapped(n=9)] == [9, 7]
    runs = bench.runs(4)
    (write,) = (run for run in runs if run.job_type == "write")
    elements = {run.config["least"]: run for run in runs if run.job_type == "counted"}
    assert elements.keys() == {0, 2}
    for run in elements.values():
        assert edges(run, "input") == {f"e/p/write:{outputs(write)['write']}"}
        assert outputs(run)["counted"].startswith("md5-")
        assert run.exit_code == 0
    assert len({outputs(run)["counted"] for run in elements.values()}) == 2


def linked(run):
    """What a run has logged, as links to it are written."""
    return {f"e/p/{name}:{alias}" for name, alias in outputs(run).items()}


def test_elements_of_a_map_task_are_linked_to_the_frame_that_they_take_and_to_who_takes_their_files(bench, load):
    """Files that they return in lists, as str."""
    assert load("values").sharded(n=3) == 4
    runs = bench.runs(4)
    make, join = (by_task(runs)[name] for name in ("make", "join"))
    elements = [run for run in runs if run.job_type == "shard"]
    assert [outputs(run).keys() for run in elements] == 2 * [{"shard_0", "shard_1"}]
    assert [edges(run, "input") for run in elements] == 2 * [{f"e/p/frame:{outputs(make)['frame']}"}]
    assert edges(join, "input") == set.union(*map(linked, elements))
    assert len(edges(join, "input")) == 4


def test_elements_of_a_map_task_that_fail_do_not_mix_up_the_links_to_the_others(bench, load):
    assert load("values").some_fail() == "13"
    runs = bench.runs(5)
    elements = {run.config["index"]: run for run in runs if run.job_type == "odd_only"}
    assert [elements[index].exit_code for index in range(4)] == [1, 0, 1, 0]
    assert edges(by_task(runs)["join_odd"], "input") == linked(elements[1]) | linked(elements[3])


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_an_element_in_its_container_has_links_notes_and_references_as_other_tasks(bench, s3, storage, monkeypatch):
    """Each element of a list has its note; a file that goes into S3 is a reference, if the task wants that."""
    from flyteidl.core import literals_pb2

    bucket, env = s3
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    frames = [pandas.DataFrame({"x": range(n)}) for n in (1, 2)]
    container = bench.container("values", "shard", {"index": [7, 8], "frame": frames}, index=1, raw=bucket.uri)
    arguments, path = container.arguments(), container.folder / "shard.pb"
    inputs = literals_pb2.LiteralMap.FromString(path.read_bytes())
    for number, one in enumerate(inputs.literals["frame"].collection.literals):
        one.metadata["wandb_track"] = f"e/p/frame:v{number}"
    path.write_bytes(inputs.SerializeToString())
    container.arguments = lambda: arguments
    bench.execute_in_process_of_its_own(container, **env, WANDB_MODE="offline", STORAGE=storage)

    run = bench.run()
    assert (run.config["index"], edges(run, "input")) == (8, {"e/p/frame:v1"})
    logged = [each for each in read_lineage(run.folder) if each["edge"] == "output"]
    assert ["references" in each for each in logged] == 2 * [storage == "reference"]
    output = literals_pb2.LiteralMap.FromString((container.output_prefix / "outputs.pb").read_bytes()).literals["o0"]
    assert {dict(one.metadata)["wandb_track"] for one in output.collection.literals} == linked(run)
    assert len(linked(run)) == 2


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_files_folders_and_frames_in_records_are_versions_with_exact_links(bench, storage):
    """In a dataclass and in a pydantic model."""
    said = bench.pyflyte_run("values", "with_records", WANDB_MODE="offline", STORAGE=storage)
    assert "xxyy2" in said
    runs = by_task(bench.runs(5))
    producers = [runs[name] for name in ("trained", "scored", "table", "several")]
    names = [{"trained_weights", "trained_logs"}, {"scored_by_name_best"}, {"table_rows"}]
    assert [outputs(run).keys() for run in producers] == [*names, {"several_0_rows", "several_1_rows"}]
    assert edges(runs["report"], "input") == set.union(*map(linked, producers))
    assert runs["report"].config["model"]["epochs"] == 2


def test_in_a_container_the_notes_of_the_files_in_a_record_are_in_what_the_platform_gets(bench):
    from flyteidl.core import literals_pb2

    container = bench.container("values", "trained", {"epochs": 2})
    bench.execute_in_process_of_its_own(container, WANDB_MODE="offline")
    literals = literals_pb2.LiteralMap.FromString((container.output_prefix / "outputs.pb").read_bytes())
    notes = dict(literals.literals["o0"].metadata)
    assert notes.keys() == {"wandb_track_weights", "wandb_track_logs"}
    assert set(notes.values()) == linked(bench.run())


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_files_that_a_task_yields_are_versions_with_exact_links(bench, storage):
    assert "01" in bench.pyflyte_run("values", "one_by_one", WANDB_MODE="offline", STORAGE=storage)
    runs = by_task(bench.runs(2))
    assert outputs(runs["written"]).keys() == {"written_0", "written_1"}
    assert edges(runs["read"], "input") == linked(runs["written"])


def test_an_input_named_as_our_own_key_has_another_one_and_an_equal_value_is_no_clash(bench, load, capsys):
    assert load("values").clashing() == 3
    run = bench.run()
    assert (run.config["parameter_flyte"], run.config["least"]) == (2, 1)
    assert run.config["flyte"]["task"].endswith("clashing")
    assert "is not in the config" not in capsys.readouterr().err


def test_enums_records_and_times_go_to_config_and_summary_wherever_they_are(bench, load):
    load("values").describe()
    run = bench.run()
    layers = {"sizes": [8, 2], "kind": "fast"}
    (record,) = run.config.pop("records")
    assert record.pop("rows").endswith("rows.csv")
    assert record == {"kind": "fast", "since": "2024-01-02T00:00:00+00:00"}
    assert {name: value for name, value in run.config.items() if name not in ("flyte", "_wandb")} == {
        "by_name": {"a": {"depth": 3}},
        "layers": layers,
        "since": "2024-01-02T00:00:00+00:00",
        "kinds": ["fast", "fast"],
    }
    assert edges(run, "input") == linked(run)  # the file in the record, which no task made
    assert [run.summary[name] for name in ("layers", "took", "kinds")] == [layers, "1:00:00", ["fast", "fast"]]


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_frames_in_nested_and_optional_lists_are_versions_of_their_own_with_exact_links(bench, storage):
    bench.pyflyte_run("values", "nesting", WANDB_MODE="offline", STORAGE=storage)
    runs = by_task(bench.runs(3))
    names = {*outputs(runs["nested"]), *outputs(runs["perhaps"])}
    assert names == {"nested_part_0", "nested_part_1", "perhaps_0", "perhaps_1"}
    made = {**outputs(runs["nested"]), **outputs(runs["perhaps"])}
    assert edges(runs["use_nested"], "input") == {f"e/p/{name}:{alias}" for name, alias in made.items()}


def test_in_a_container_the_notes_of_an_optional_list_are_in_what_the_platform_gets(bench):
    container = bench.container("values", "perhaps", {"n": 2})
    bench.execute_in_process_of_its_own(container, WANDB_MODE="offline")
    from flyteidl.core import literals_pb2

    outputs_file = (container.output_prefix / "outputs.pb").read_bytes()
    literal = literals_pb2.LiteralMap.FromString(outputs_file).literals["o0"].scalar.union.value
    notes = {dict(one.metadata)["wandb_track"] for one in literal.collection.literals}
    assert notes == {f"e/p/{name}:{alias}" for name, alias in outputs(bench.run()).items()}


def test_a_str_that_a_task_returns_as_a_file_is_that_file_and_files_are_no_parameters(bench, load):
    assert load("values").with_paths() == "abc"
    runs = by_task(bench.runs(2))
    made = outputs(runs["paths_as_str"])
    assert made.keys() == {"paths_as_str_o0", "paths_as_str_o1_0", "paths_as_str_o1_1"}
    assert edges(runs["use_paths"], "input") == {f"e/p/{name}:{alias}" for name, alias in made.items()}
    assert not {"one", "more"} & runs["use_paths"].config.keys()


@pytest.mark.parametrize("value", ["some words", {"depth": 3}])
def test_a_parameter_that_flyte_pickles_is_one_like_others(bench, load, value):
    assert load("values").anything(value=value) == value
    run = bench.run()
    assert (run.config["value"], run.summary["anything"], run.artifacts) == (value, value, [])


def test_a_config_of_omegaconf_is_a_parameter_as_the_dict_that_it_stands_for(bench, load):
    config = pytest.importorskip("omegaconf").OmegaConf.create({"model": {"layers": [8, 2]}, "rate": "???"})
    assert load("values").anything(value=config) == config
    run, shown = bench.run(), {"model": {"layers": [8, 2]}, "rate": "???"}
    assert (run.config["value"], run.summary["anything"], run.artifacts) == (shown, shown, [])


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_a_frame_that_flytekit_alone_can_write_is_a_version_of_the_files_that_it_has_written(bench, storage):
    assert "3" in bench.pyflyte_run("values", "foreign_frames", WANDB_MODE="offline", STORAGE=storage)
    runs = by_task(bench.runs(3))
    made = [*runs["foreign"].artifacts, *runs["foreign_table"].artifacts]
    assert [(artifact.name, artifact.type) for artifact in made] == [
        ("foreign", "dataset"),
        ("foreign_table_rows", "dataset"),
    ]
    assert edges(runs["use_foreign"], "input") == linked(runs["foreign"]) | linked(runs["foreign_table"])


@pytest.mark.parametrize("where", ["in a container", "locally", "without a dispatch"])
def test_a_coroutine_task_has_parameters_and_outputs(bench, load, where):
    frame = pandas.DataFrame({"x": [1, 2, 3]})
    if where == "in a container":
        container = bench.container("values", "asynchronous", {"frame": frame, "least": 2})
        assert bench.execute_in_process_of_its_own(container, WANDB_MODE="offline").outputs["count"] == 2
    else:
        task = load("values").asynchronous
        call = task if where == "locally" else task.task_function
        assert asyncio.run(call(frame=frame, least=2)).count == 2
    run = bench.run()
    assert (run.config["least"], run.summary["count"], run.exit_code) == (2, 2, 0)
    assert "frame" in outputs(run)


def test_a_rank_that_leaves_the_outputs_to_another_one_has_parameters_and_has_not_failed(bench):
    bench.execute("of_another_rank", {"least": 1}, module="values")
    run = bench.run()
    assert (run.config["least"], run.exit_code, run.artifacts) == (1, 0, [])
    assert "exception" not in run.summary


@pytest.mark.parametrize("order", ["above", "below", "both", "apart"])
def test_a_task_that_is_decorated_twice_is_an_error(order):
    def function(x: int) -> int:
        return x

    def other(inner):
        return functools.wraps(inner)(lambda *args, **kwargs: inner(*args, **kwargs))

    track = wandb_init(project="p", entity="e", secret=lambda: None)
    again = wandb_init(project="p", entity="e", secret=lambda: None)
    decorate = {
        "above": lambda: again(track(task(function))),
        "below": lambda: again(track(function)),
        "both": lambda: again(task(track(function))),
        "apart": lambda: again(task(other(track(function)))),
    }[order]
    with pytest.raises(ArgumentError, match=r"^@wandb_init is there twice.* Use one for each task"):
        decorate()
