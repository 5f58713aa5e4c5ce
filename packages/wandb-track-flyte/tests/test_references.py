"""Outputs as references to where flytekit has put their bytes: locally, and in containers with an S3 of their own."""

import json
from pathlib import Path

import pytest
from flytekit import FlyteFile
from flytekit.types.structured import StructuredDataset
from wandb_track_core.adapters import read_lineage
from wandb_track_flyte import load as load_value
from wandb_track_serializers import IntegrityError, UntrustedError, load_artifact
from wandb_track_testing.plugin import command_line, isolated_env, run_python

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("wandb", minversion="0.31", reason="older clients sync otherwise than they wrote")

NAMES = {"frame", "rows", "folder", "thing", "parts_0", "parts_1"}


def by_task(runs):
    return {run.job_type: run for run in runs}


def used(run):
    return {f"{each['name']}:{each['alias']}" for each in read_lineage(run.folder) if each["edge"] == "input"}


def made(run):
    return {each["name"]: each for each in read_lineage(run.folder) if each["edge"] == "output"}


def aliases(run):
    return {f"e/p/{name}:{edge['aliases'][-1]}" for name, edge in made(run).items()}


def test_outputs_are_references_with_the_links_of_copies(bench, load, monkeypatch):
    """All values come back as what they were; a second execution, from the cache, leads to the same versions."""
    references = load("references")
    assert references.pipeline(n=3) == 5
    runs = by_task(bench.runs(2))
    make, use = runs["make"], runs["use"]
    assert set(made(make)) == NAMES
    assert used(use) == aliases(make)
    assert make.summary["count"] == 3
    assert not list((make.folder / "wandb-track").glob("artifacts/*"))
    from wandb_track_flyte._literals import alias_of

    (reference,) = made(make)["frame"]["references"]
    assert made(make)["frame"]["aliases"][-1] == alias_of(reference["uri"].removeprefix("file://").rpartition("/")[0])

    def back(name, **options):
        return load_artifact(f"e/p/{name}:{made(make)[name]['aliases'][-1]}", offline=bench.folder, **options)

    assert back("frame").to_dict("list") == {"x": [1.5, 2.5]}
    assert back("rows").read_text() == "xxx"
    assert (back("folder") / "deep" / "a.txt").read_text() == "a"
    assert [back(f"parts_{number}").read_text() for number in (0, 1)] == ["b", "a"]
    with pytest.raises(UntrustedError, match=r"is a pickle of references\.Thing"):
        back("thing")
    assert back("thing", trusted=True).number == 3

    bench.seen.update(run.path for run in runs.values())
    assert references.pipeline(n=3) == 5
    assert used(bench.run()) == aliases(make)


def test_in_a_container_what_flyte_has_put_into_s3_is_not_written_again(bench, standin, s3, monkeypatch):
    """Only manifests go to W&B; the values are read back from S3; what was changed there is named."""
    bucket, env = s3
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    for number, size in enumerate((1 << 10, 8 << 20)):
        before = len(standin.requests)
        container = bench.container("references", "make", {"n": size}, execution=f"f0size{number}", raw=bucket.uri)
        outcome = bench.execute_in_process_of_its_own(container, **env, **standin.env())
        assert "copied" not in outcome.said
        requests = standin.requests[before:]
        assert not [each for each in requests if each.path.startswith("/storage/artifact")]
        manifests = [each for each in requests if each.path.startswith("/storage/manifest")]
        assert 1 <= len(manifests) <= len(NAMES)  # the server knows some contents already
        assert sum(each.size for each in manifests) < 4000
        version = standin.artifact("rows:latest", entity="e", project="p")
        (entry,) = version.entries.values()
        assert entry["size"] == size
        assert entry["ref"].startswith(f"{bucket.uri}/zz/f0size{number}-n0-0/")
    for name, value in standin.env().items():
        monkeypatch.setenv(name, value)
    assert load_value("f0size0", "make", "rows", project="p", entity="e").read_bytes() == b"x" * (1 << 10)
    assert load_value("f0size0", "make", "frame", project="p", entity="e").to_dict("list") == {"x": [1.5, 2.5]}
    import fsspec

    fsspec.filesystem("s3").pipe(entry["ref"], b"y" * (8 << 20))
    with pytest.raises(IntegrityError, match=f"{entry['ref']} was changed since artifact e/p/rows:v1"):
        load_value("f0size1", "make", "rows", project="p", entity="e")


def test_a_container_without_a_store_copies_and_says_so_in_one_line_for_each(bench):
    outcome = bench.execute_in_process_of_its_own(bench.container("references", "make", {"n": 4}))
    lines = [line for line in outcome.said.splitlines() if "is copied, not referred to: file://" in line]
    assert len(lines) == len(NAMES)
    run = bench.runs(1, "offline-run-*")[0]
    assert {name for name, edge in made(run).items() if edge.get("folder") and not edge.get("references")} == NAMES


def test_references_of_a_container_are_synced_where_they_are(bench, standin, s3, tmp_path, monkeypatch):
    """Packed below the raw-output prefix in S3: downloaded, and synced from elsewhere."""
    bucket, env = s3
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    container = bench.container("references", "make", {"n": 5}, execution="f0sync", raw=bucket.uri)
    outcome = bench.execute_in_process_of_its_own(container, **env)
    stored = outcome.said.partition("Download ")[2].partition(", and")[0]
    bench.runs(1, "offline-run-*")
    for name, value in standin.env().items():
        monkeypatch.setenv(name, value)
    import fsspec

    fsspec.filesystem("s3").get_file(stored, str(tmp_path / "run.tar"))
    assert load_artifact("e/p/rows", offline=tmp_path).read_bytes() == b"xxxxx"
    env = isolated_env(tmp_path, **{**standin.env(), "WANDB_MODE": None})
    run_python(command_line, env, "sync", str(tmp_path / "run.tar"))
    assert load_value("f0sync", "make", "rows", project="p", entity="e").read_bytes() == b"xxxxx"
    version = standin.artifact("rows:latest", entity="e", project="p")
    assert not version.files
    assert not version.missing


def test_a_tasks_own_code_refers_to_a_uri_and_reads_it_back(bench, load, tmp_path, s3):
    bucket, env = s3
    import fsspec

    fsspec.filesystem("s3", key="id", secret="secret", endpoint_url=bucket.env["AWS_ENDPOINT_URL"]).pipe(
        f"{bucket.uri}/mine.txt", b"mine"
    )
    outcome = bench.execute("own", {"uri": f"{bucket.uri}/mine.txt"}, env, module="references")
    assert outcome.outputs == {"o0": "mine"}
    (reference,) = made(bench.run())["mine"]["references"]
    assert (reference["uri"], reference["size"]) == (f"{bucket.uri}/mine.txt", 4)


def test_a_file_of_a_containers_own_disk_is_copied(bench, tmp_path, capfd):
    (tmp_path / "x.txt").write_text("local")
    outcome = bench.execute("own_path", {"path": str(tmp_path / "x.txt")}, module="references")
    assert outcome.outputs == {"o0": "local"}
    assert "own_file is copied, not referred to" in capfd.readouterr().err


@pytest.mark.parametrize("storage", ["copy", "reference"])
def test_a_fixed_place_has_the_same_alias_for_both(bench, tmp_path, storage):
    """Its URI says nothing of its contents: the time of the last change does."""
    place = tmp_path / "fixed.txt"
    bench.pyflyte_run("references", "at_a_fixed_place", "--uri", str(place), STORAGE=storage)
    runs = by_task(bench.runs(2))
    from wandb_track_flyte._literals import alias_of

    alias = alias_of(str(place), f"{place.stat().st_mtime} 5")
    assert aliases(runs["fixed"]) == {f"e/p/fixed:{alias}"} == used(runs["reader"])


def test_locally_a_fixed_place_in_s3_is_linked_by_its_etag(bench, s3):
    bucket, env = s3
    bench.pyflyte_run("references", "at_a_fixed_place", "--uri", f"{bucket.uri}/fixed.txt", **env)
    runs = by_task(bench.runs(2))
    assert len(aliases(runs["fixed"])) == 1
    assert aliases(runs["fixed"]) == used(runs["reader"])


def test_a_frame_that_is_a_reference_has_the_files_type_and_class_in_its_manifest(bench, load):
    load("references").make(n=9)
    metadata = made(bench.run())["frame"]["metadata"]["wandb_track"]
    assert (metadata["serializer"], metadata["class"]) == ("pandas.parquet", f"{pandas.DataFrame.__module__}.DataFrame")
    assert json.dumps(metadata["files"]) == "[]"


def test_a_torch_module_comes_back_as_one(bench, load, monkeypatch):
    pytest.importorskip("torch")
    # Without it, flytekit 1.16 cannot read a module with torch 2.6 or later.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    module = load("references").network()
    run = bench.run()
    assert [(artifact.name, artifact.type) for artifact in run.artifacts] == [("network", "model")]
    assert made(run)["network"]["references"]
    with pytest.raises(UntrustedError):
        load_artifact("e/p/network", offline=bench.folder)
    back = load_artifact("e/p/network", offline=bench.folder, trusted=True)
    assert back.weight.tolist() == module.weight.tolist()


def test_an_input_that_no_task_made_is_a_version_of_its_own_offline_and_after_a_sync(
    bench, load, standin, tmp_path, capfd
):
    (tmp_path / "raw").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "raw" / name).write_text(name)
    a, b, folder = str(tmp_path / "raw" / "a.csv"), str(tmp_path / "raw" / "b.csv"), str(tmp_path / "raw")
    assert load("references").take(raw=a, rows=[a, b], folder=folder) == 2
    assert "could not be linked" not in capfd.readouterr().err
    run = bench.run()
    logged = [edge for edge in read_lineage(run.folder) if edge["edge"] == "output"]
    assert {f"e/p/{edge['name']}:{edge['aliases'][-1]}" for edge in logged} == used(run)
    found = {(edge["name"], *(Path(one["uri"]).name for one in edge["references"])) for edge in logged}
    assert found == {
        ("take_raw", "a.csv"),
        ("take_rows", "a.csv"),
        ("take_rows", "b.csv"),
        ("take_folder", "a.csv", "b.csv"),
    }
    env = isolated_env(tmp_path, **{**standin.env(), "WANDB_MODE": None})
    run_python(command_line, env, "sync", str(run.folder))
    (synced,) = standin.runs.values()
    assert sorted(use.artifact.collection.name for use in synced.used) == [
        "take_folder",
        "take_raw",
        "take_rows",
        "take_rows",
    ]


def test_an_input_in_s3_that_no_task_made_is_a_version_of_its_own(bench, standin, s3):
    """Twice the same contents are one version; changed contents another one."""
    bucket, env = s3
    import fsspec

    store = fsspec.filesystem("s3", key="id", secret="secret", endpoint_url=bucket.env["AWS_ENDPOINT_URL"])
    for number, contents in enumerate((b"one", b"one", b"another")):
        store.pipe(f"{bucket.uri}/raw/a.parquet", contents)
        frame = StructuredDataset(uri=f"{bucket.uri}/raw", file_format="parquet")
        container = bench.container("references", "take_frame", {"frame": frame}, execution=f"f0given{number}")
        outcome = bench.execute_in_process_of_its_own(container, **env, **standin.env())
        assert "could not be linked" not in outcome.said
    links = [[use.artifact.collection.name, use.artifact.index] for run in standin.runs.values() for use in run.used]
    assert links == [["take_frame_frame", 0], ["take_frame_frame", 0], ["take_frame_frame", 1]]
    (entry,) = standin.artifact("take_frame_frame:latest", entity="e", project="p").entries.values()
    assert (entry["ref"], entry["size"]) == (f"{bucket.uri}/raw/a.parquet", 7)


def test_an_input_that_is_missing_or_a_pickle_has_no_link_and_costs_the_task_nothing(bench, load, s3):
    bucket, env = s3
    missing = StructuredDataset(uri=f"{bucket.uri}/nothing", file_format="parquet")
    container = bench.container("references", "take_frame", {"frame": missing}, execution="f0missing")
    outcome = bench.execute_in_process_of_its_own(container, **env, WANDB_MODE="offline")
    assert outcome.outputs == {"o0": 1}
    assert f"input 'frame' could not be linked: {bucket.uri}/nothing does not exist" in outcome.said
    assert used(bench.run()) == set()
    references = load("references")
    assert references.take_pickle(thing=references.Thing(1)) == 1
    assert [used(run) for run in bench.runs(2)] == [set(), set()]


def test_a_file_that_is_not_on_this_machine_is_a_reference_also_where_files_are_copied(bench, standin, s3):
    """One that a task returns by its URI, as a file or a frame, and one that it passes on without reading it."""
    bucket, env = s3
    import fsspec

    store = fsspec.filesystem("s3", key="id", secret="secret", endpoint_url=bucket.env["AWS_ENDPOINT_URL"])
    store.pipe(f"{bucket.uri}/raw.txt", b"raw")
    uri = f"{bucket.uri}/raw.txt"
    calls = {"at_a_uri": {"uri": uri}, "frame_at_a_uri": {"uri": uri}, "passed_on": {"file": FlyteFile(uri)}}
    for number, (task, inputs) in enumerate(calls.items()):
        container = bench.container("references", task, inputs, execution=f"f0elsewhere{number}")
        outcome = bench.execute_in_process_of_its_own(container, **env, **standin.env())
        assert "not logged" not in outcome.said
        (entry,) = standin.artifact(f"{task}:latest", entity="e", project="p").entries.values()
        assert (entry["ref"], entry["size"]) == (uri, 3)


def test_an_empty_folder_is_said_to_be_one(bench, load, tmp_path, capfd):
    assert load("references").take(raw=__file__, rows=[], folder=str(tmp_path)) == 0
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "input 'folder' could not be linked" in line]
    assert " is an empty folder, and W&B keeps files only" in line
