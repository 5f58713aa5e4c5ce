"""What the stand-in answers to the real client: runs, files, artifacts, and the public API."""

import json
import os
import threading

import pytest
import wandb
from wandb_track_testing.offline import find_runs, read_run
from wandb_track_testing.plugin import isolated_env, run_python, valid_key
from wandb_track_testing.standin import StandIn
from wandb_track_testing.standin._model import Artifact, Collection

OTHER_KEY = "f" * 40


def draft(name, contents, type="dataset", **arguments):
    artifact = wandb.Artifact(name, type, **arguments)
    for path, text in contents.items():
        with artifact.new_file(path) as file:
            file.write(text)
    return artifact


def test_run(wandb_online, wandb_env):
    """All that a run says arrives, and its local file, read back, says the same."""
    with wandb.init(
        project="p",
        config={"lr": 0.1, "nested": {"a": 1}},
        tags=["blue"],
        notes="why",
        group="g",
        job_type="train",
        name="first",
        settings=wandb.Settings(console="wrap"),
    ) as run:
        for i in range(3):
            run.log({"loss": 3 - i, "eval": {"f1": i / 2}})
        run.config["late"] = "x"
        run.summary["best"] = 1
        print("to the console")
        with open("kept.txt", "w") as file:
            file.write("kept")
        run.save("kept.txt")
        run.alert("careful", "text of the alert")
    wandb.teardown()
    there, here = wandb_online.run, find_runs(wandb_env)[0]
    assert there.key == ("acme", "p", run.id)
    assert (there.display_name, there.notes, there.group, there.job_type) == ("first", "why", "g", "train")
    assert there.tags == ["blue"]
    assert there.config == here.config == {"lr": 0.1, "nested": {"a": 1}, "late": "x"}
    assert there.values("loss") == here.values("loss") == [3, 2, 1]
    assert there.values("eval") == here.values("eval") == [{"f1": 0}, {"f1": 0.5}, {"f1": 1}]
    assert there.summary["best"] == here.summary["best"] == 1
    assert there.summary["eval"] == here.summary["eval"] == {"f1": 1}
    assert any(line.endswith("to the console") for line in there.output)
    assert "to the console" in here.output
    assert there.files["kept.txt"].text == "kept"
    assert there.alerts == here.alerts == [("careful", "text of the alert")]
    assert (there.exit_code, there.state, there.opened) == (0, "finished", 1)
    assert here.exit_code == 0
    assert there.keys == {valid_key}


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (3, "failed")])
def test_exit_code(wandb_online, code, state):
    """A run ends with the exit code that finish was given."""
    run = wandb.init(project="p")
    assert wandb_online.run.state == "running"
    run.finish(exit_code=code)
    assert (wandb_online.run.exit_code, wandb_online.run.state) == (code, state)


def test_preempting(wandb_online, wandb_env):
    """A run that was marked says so before it ends, and counts as preempted where it then fails."""
    run = wandb.init(project="p")
    run.mark_preempting()
    run.log({"x": 1})
    run.finish(exit_code=143)
    wandb.teardown()
    assert wandb_online.run.preempting
    assert wandb_online.run.state == "preempted"
    assert find_runs(wandb_env)[0].preempting


def test_resume(wandb_online):
    """A resumed run goes on: steps, summary and config are kept, and it is told that it was resumed."""
    with wandb.init(project="p", id="one", config={"a": 1}, resume="allow") as run:
        assert not run.resumed
        run.log({"x": 1})
        run.log({"x": 2, "early": True})
    with wandb.init(project="p", id="one", config={"b": 2}, resume="allow") as run:
        assert run.resumed
        assert run.starting_step == 2
        run.log({"x": 3})
    there = wandb_online.run
    assert there.values("x") == [1, 2, 3]
    assert there.values("_step") == [0, 1, 2]
    assert there.config == {"a": 1, "b": 2}
    assert there.summary["x"] == 3
    assert there.summary["early"] is True
    assert (there.opened, there.resumed) == (2, 1)


def test_numbers_that_json_does_not_have_are_str_as_on_the_servers(wandb_online):
    with wandb.init(project="p", id="one", resume="allow") as run:
        run.log({"a": float("nan"), "b": float("-inf")})
    with wandb.init(project="p", id="one", resume="allow") as run:
        assert run.resumed
    assert wandb_online.run.summary["a"] == "NaN"
    assert wandb_online.run.values("b") == ["-Infinity"]


def test_must_resume_what_is_not_there(wandb_online):
    """The client is told that there is no such run."""
    with pytest.raises(wandb.errors.UsageError, match="nothing"):
        wandb.init(project="p", id="nothing", resume="must")
    assert wandb_online.runs == {}


def test_deleted_id(wandb_online):
    """The id of a deleted run is refused with 409, which the client retries, and names from 0.28 on."""
    with wandb.init(project="p", id="gone"):
        pass
    wandb.Api().run("acme/p/gone").delete()
    with pytest.raises(wandb.errors.CommError, match=r"previously created and deleted|timed out"):
        wandb.init(project="p", id="gone", settings=wandb.Settings(init_timeout=1))
    assert wandb_online.requests[-1].status == 409
    assert wandb_online.runs == {}


def test_versions_and_aliases(wandb_online):
    """New contents make a version, known contents none; aliases move to what was logged last."""
    with wandb.init(project="p") as run:
        first = run.log_artifact(draft("data", {"a": "1"}, metadata={"rows": 1}), aliases=["best"]).wait()
        second = run.log_artifact(draft("data", {"a": "2"}, description="more"), aliases=["best"]).wait()
        again = run.log_artifact(draft("data", {"a": "1"}), aliases=["again"]).wait()
    assert [first.version, second.version, again.version] == ["v0", "v1", "v0"]
    collection = wandb_online.collections["acme", "p", "data"]
    assert [version.aliases for version in collection.versions] == [["again", "latest"], ["best"]]
    assert collection.latest is collection.versions[0]
    assert [version.digest for version in collection.versions] == [first.digest, second.digest]
    assert collection.versions[0].metadata == {"rows": 1}
    assert collection.versions[1].description == "more"
    assert collection.versions[0].files["a"].text == "1"
    assert [version.missing for version in collection.versions] == [[], []]
    with wandb.init(project="p", id="other") as run:
        run.log_artifact(draft("data", {"a": "2"})).wait()
    other = wandb_online.runs["acme", "p", "other"]
    maker = collection.versions[0].run
    assert [version.name for version in maker.logged] == ["data:v0", "data:v1"]
    assert (other.logged, [version.name for version in other.logged_again]) == ([], ["data:v1"])


def test_known_file_is_not_sent_again(wandb_online):
    """A file whose contents the entity has already is not uploaded a second time."""
    with wandb.init(project="p") as run:
        run.log_artifact(draft("data", {"a": "same", "b": "1"})).wait()
        run.log_artifact(draft("data", {"a": "same", "b": "2"})).wait()
    sent = [r.path.rpartition("/")[2] for r in wandb_online.requests if r.path.startswith("/storage/artifact")]
    assert sorted(sent) == ["a", "b", "b"]
    assert wandb_online.artifact("data:v1", project="p").files["a"].text == "same"


def test_other_type(wandb_online):
    """A collection keeps its type; the client sees to it before it asks."""
    with wandb.init(project="p") as run:
        run.log_artifact(draft("data", {"a": "1"})).wait()
        with pytest.raises(ValueError, match="already exists with type"):
            run.log_artifact(draft("data", {"a": "2"}, type="model")).wait()


def test_use_and_download(wandb_online, tmp_path):
    """A used artifact is an edge of the run, and its contents come back verified."""
    with wandb.init(project="p", id="maker") as run:
        run.log_artifact(draft("data", {"a": "1", "deep/b": "22"}), aliases=["best"]).wait()
    with wandb.init(project="p", id="user") as run:
        artifact = run.use_artifact("data:best")
        folder = artifact.download(str(tmp_path / "there"))
        artifact.verify(folder)
        run.use_artifact("data:v0")
    assert (tmp_path / "there/deep/b").read_text() == "22"
    user = wandb_online.runs["acme", "p", "user"]
    assert [use.artifact.name for use in user.used] == ["data:v0"]
    assert wandb_online.artifact("data:latest", project="p").used_by == [user]


def test_draft_that_is_used(wandb_online):
    """A draft given to use_artifact is uploaded and is an input."""
    with wandb.init(project="p") as run:
        run.use_artifact(draft("data", {"a": "1"})).wait()
    assert [use.artifact.name for use in wandb_online.run.used] == ["data:v0"]


def test_reference(wandb_online, tmp_path):
    """A reference is in the manifest and nothing is missing."""
    (tmp_path / "far").write_text("away")
    artifact = wandb.Artifact("ref", "dataset")
    artifact.add_reference(f"file://{tmp_path}/far")
    with wandb.init(project="p") as run:
        run.log_artifact(artifact).wait()
    version = wandb_online.artifact("ref:latest", project="p")
    assert version.entries["far"]["ref"] == f"file://{tmp_path}/far"
    assert version.missing == []


def test_two_keys(wandb_online):
    """Two runs with two keys at once are each written with their own."""
    runs = [
        wandb.init(project="p", id=key[0], reinit="create_new", settings=wandb.Settings(api_key=key))
        for key in (valid_key, OTHER_KEY)
    ]
    for run in runs:
        run.log({"x": 1})
        run.finish()
    assert wandb_online.runs["acme", "p", valid_key[0]].keys == {valid_key}
    assert wandb_online.runs["acme", "p", OTHER_KEY[0]].keys == {OTHER_KEY}


@pytest.fixture
def lineage(wandb_online):
    """One run that made two versions, and one that used the first."""
    with wandb.init(project="p", id="maker", config={"lr": 1}, tags=["t"], group="g", job_type="j") as run:
        for i in range(3):
            run.log({"x": i})
            run.log({"y": i})
        run.log_artifact(draft("data", {"a": "1"}), aliases=["best"]).wait()
        run.log_artifact(draft("data", {"a": "2"})).wait()
    with wandb.init(project="p", id="user", config={"lr": 2}) as run:
        run.use_artifact("data:v0")
    return wandb_online


def test_public_api_artifacts(lineage):
    """Versions, aliases and edges can be read and changed through the public API."""
    api = wandb.Api()
    latest, best = api.artifact("acme/p/data:latest"), api.artifact("acme/p/data:best", type="dataset")
    assert (latest.name, latest.version, best.version) == ("data:latest", "v1", "v0")
    assert best.digest == lineage.artifact("data:v0", project="p").digest
    assert (best.logged_by().id, [run.id for run in best.used_by()]) == ("maker", ["user"])
    assert latest.used_by() == []
    assert api.artifact_exists("acme/p/data:best")
    assert not api.artifact_exists("acme/p/data:other")
    assert not api.artifact_exists("acme/q/data:best")
    assert api.artifact_collection_exists("acme/p/data", "dataset")
    assert [kind.name for kind in api.artifact_types("acme/p")] == ["dataset"]
    assert [found.name for found in api.artifact_collections("acme/p", "dataset")] == ["data"]
    assert [found.version for found in api.artifacts("dataset", "acme/p/data")] == ["v1", "v0"]
    collection = api.artifact_collection("dataset", "acme/p/data")
    assert sorted(collection.aliases) == ["best", "latest"]
    assert [file.name for file in best.files()] == ["a"]
    best.aliases = ["renamed"]
    best.metadata["rows"] = 1
    best.description = "described"
    best.tags = ["tagged"]
    best.save()
    there = lineage.artifact("data:renamed", project="p")
    assert (there.aliases, there.metadata, there.description, there.tags) == (
        ["renamed"],
        {"rows": 1},
        "described",
        ["tagged"],
    )
    latest.delete(delete_aliases=True)
    assert [version.index for version in lineage.collections["acme", "p", "data"].versions] == [0]


def test_versions_are_in_the_order_in_which_they_were_committed():
    """Not in that in which they were created, which is another where two runs log at once."""
    collection = Collection("acme", "p", "data", "dataset", number=0)
    for number, index in enumerate([1, 0, None]):
        state = "PENDING" if index is None else "COMMITTED"
        collection.artifacts.append(Artifact(str(number), collection, digest=str(number), index=index, state=state))
    assert [version.id for version in collection.versions] == ["1", "0"]


def test_public_api_runs(lineage):
    """Runs, their history and their edges can be read and changed through the public API."""
    api = wandb.Api()
    maker, user = api.run("acme/p/maker"), api.run("acme/p/user")
    assert (maker.state, maker.config, maker.tags, maker.group, maker.job_type) == (
        "finished",
        {"lr": 1},
        ["t"],
        "g",
        "j",
    )
    assert (maker.summary["x"], maker.lastHistoryStep) == (2, 5)
    assert [row["x"] for row in maker.scan_history() if row.get("x") is not None] == [0, 1, 2]
    assert [row["y"] for row in maker.scan_history(keys=["y"])] == [0, 1, 2]
    assert [row["x"] for row in maker.history(keys=["x"], pandas=False)] == [0, 1, 2]
    assert len(maker.history(pandas=False)) == 6
    assert [artifact.version for artifact in maker.logged_artifacts()] == ["v0", "v1"]
    assert [artifact.version for artifact in user.used_artifacts()] == ["v0"]
    user.use_artifact(api.artifact("acme/p/data:v1"))
    assert [use.artifact.index for use in lineage.runs["acme", "p", "user"].used] == [0, 1]
    assert [run.id for run in api.runs("acme/p")] == ["maker", "user"]
    assert [run.id for run in api.runs("acme/p", order="-created_at")] == ["user", "maker"]
    assert [run.id for run in api.runs("acme/p", filters={"config.lr": {"$gt": 1}})] == ["user"]
    assert [run.id for run in api.runs("acme/p", filters={"$or": [{"tags": "t"}, {"state": "failed"}]})] == ["maker"]
    assert len(api.runs("acme/p", per_page=1)) == 2
    assert [run.id for run in api.runs("acme/p", per_page=1)] == ["maker", "user"]
    maker.config["lr"] = 3
    maker.tags = ["u"]
    maker.summary["best"] = 9
    maker.update()
    there = lineage.runs["acme", "p", "maker"]
    assert (there.config, there.tags, there.summary["best"], there.opened) == ({"lr": 3}, ["u"], 9, 1)
    assert [project.name for project in api.projects("acme")] == ["p"]
    with pytest.raises((ValueError, wandb.errors.CommError), match=r"[Cc]ould not find"):
        api.run("acme/p/none").load(force=True)


def test_files_of_a_run(lineage, tmp_path):
    """A run's files can be listed and fetched."""
    run = wandb.Api().run("acme/p/maker")
    assert "wandb-metadata.json" in [file.name for file in run.files()]
    with run.file("wandb-summary.json").download(root=str(tmp_path / "f")) as file:
        assert json.load(file)["x"] == 2


def test_sync(wandb_env, standin):
    """An offline run that is synced leaves the server as the same run online does."""
    code = """
import sys, wandb
artifact = wandb.Artifact("data", "dataset", metadata={"rows": 1})
with open("a", "w") as file:
    file.write("1")
artifact.add_file("a")
with wandb.init(project="p", id="one", config={"lr": 1}, tags=["t"], group="g") as run:
    for i in range(3):
        run.log({"x": i, "deep": {"y": i}})
    run.summary["best"] = 2
    run.log_artifact(artifact, aliases=["best"])
"""
    folder = wandb_env / "runs"
    offline = isolated_env(folder, WANDB_CONSOLE="off")
    run_python(code, offline)
    path = find_runs(folder)[0].folder
    run_python("from wandb.cli.cli import cli; cli()", offline | standin.env(), "sync", str(path))
    assert (folder / "wandb" / path.name / "run-one.wandb.synced").exists()
    with StandIn() as online:
        run_python(code, isolated_env(wandb_env / "other", WANDB_CONSOLE="off") | online.env())
        assert standin.snapshot() == online.snapshot()
    assert standin.run.values("deep") == [{"y": 0}, {"y": 1}, {"y": 2}]
    assert standin.artifact("data:best", project="p").files["a"].text == "1"


def test_snapshot_without_order(standin, wandb_env):
    """Two servers whose versions were made in another order compare equal where the order does not count."""
    forms = []
    for order in ("12", "21"):
        with StandIn() as server:
            os.environ.update(server.env())
            with wandb.init(project=f"p{order}", id="one") as run:
                for text in order:
                    run.log_artifact(draft("data", {"a": text}), aliases=[f"is-{text}"]).wait()
            forms.append(
                [
                    server.snapshot(ordered=way, rename=lambda s, o=order: s.replace(f"p{o}", "p"))
                    for way in (True, False)
                ]
            )
            wandb.teardown()
    assert forms[0][0] != forms[1][0]
    assert forms[0][1] == forms[1][1]


def test_offline_reader(wandb_env):
    """The reader gives back what an offline run holds, an unfinished and cut file included."""
    code = """
import os, sys, wandb
settings = wandb.Settings(console="off")
artifact = wandb.Artifact("data", "dataset", metadata={"rows": 1}, description="d")
with open("a", "w") as file:
    file.write("1")
artifact.add_file("a")
run = wandb.init(project="p", entity="e", id="one", config={"n": {"a": 1}}, notes="why", settings=settings)
run.log({"big": "x" * 100_000})
for i in range(50):
    run.log({"x": i, "deep": {"y": i}})
run.config.update({"n": {"b": 2}}, allow_val_change=True)
run.log_artifact(artifact, aliases=["best"])
run.mark_preempting()
if sys.argv[1] == "kill":
    os._exit(9)
run.finish(exit_code=3)
"""
    run_python(code, isolated_env(wandb_env / "whole"), "finish")
    whole = find_runs(wandb_env / "whole")[0]
    assert (whole.id, whole.entity, whole.project, whole.notes) == ("one", "e", "p", "why")
    assert whole.config == {"n": {"b": 2}}
    assert len(whole.values("big")[0]) == 100_000
    assert whole.values("deep") == [{"y": i} for i in range(50)]
    assert whole.summary["x"] == 49
    assert (whole.exit_code, whole.preempting, whole.truncated) == (3, True, False)
    artifact = whole.artifact("data")
    assert (artifact.type, sorted(artifact.aliases), artifact.metadata) == ("dataset", ["best", "latest"], {"rows": 1})
    assert artifact.entries["a"].local_path.read_text() == "1"
    assert artifact.entries["a"].digest == "xMpCOKC5I4INzFCab3WEmw=="

    run_python(code, isolated_env(wandb_env / "killed"), "kill", check=False)
    killed = find_runs(wandb_env / "killed")[0]
    assert killed.exit_code is None
    assert killed.values("x") == list(range(len(killed.values("x"))))

    data = whole.path.read_bytes()
    for length in (0, 3, 7, 100, len(data) // 2, len(data) - 1):
        whole.path.write_bytes(data[:length])
        cut = read_run(whole.path)
        assert cut.exit_code is None
        assert cut.values("x") == whole.values("x")[: len(cut.values("x"))]
    assert cut.truncated


def test_reader_refuses_other_files(tmp_path):
    """A file that the client did not write is refused by name."""
    (tmp_path / "run-x.wandb").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"run-x\.wandb is no .wandb file"):
        read_run(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"0 \.wandb files"):
        read_run(tmp_path / "..")


def test_many_clients(standin, wandb_env):
    """Threads that write runs at the same time do not disturb each other."""
    os.environ.update(standin.env())
    wandb.setup()

    def work(number):
        with wandb.init(project="p", id=f"r{number}", reinit="create_new") as run:
            run.log({"x": number})
            run.log_artifact(draft("shared", {"a": str(number % 2)})).wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.id: run.values("x") for run in standin.runs.values()} == {f"r{n}": [n] for n in range(8)}
    assert len(standin.collections["acme", "p", "shared"].versions) == 2
    assert all(run.state == "finished" for run in standin.runs.values())
