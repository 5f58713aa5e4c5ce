import base64
import json
import stat
import tarfile
import threading

from wandb_track_core.offline import _log, _schema, find_runs
from wandb_track_core.offline._finding import find_fragments as find
from wandb_track_core.offline._pack import store
from wandb_track_core.offline._sync._rewrite import FROM_THE_BEGINNING, rewrite
from wandb_track_testing.plugin import isolated_env, run_python, valid_key

STORED = """
import shutil, sys
from pathlib import Path
from wandb_track_core import TaskIdentity, TrackedRun

target = Path(sys.argv[1])
def put(tar):
    return shutil.copy(tar, target)

for number in range(20):
    with TrackedRun(TaskIdentity("chain", "t", key=("e", str(number))), project="p", store=put) as run:
        run.log({"x": number})

with TrackedRun(TaskIdentity("chain", "t", key=("e", "far")), project="p", store=lambda tar: "s3://b/r.tar") as run:
    run.log({"x": 1})

def refuse(tar):
    raise OSError("the bucket is gone")

with TrackedRun(TaskIdentity("chain", "t", key=("e", "refused")), project="p", store=refuse) as run:
    run.log({"x": 1})
"""

KEYED = """
import os, shutil, sys
from wandb_track_core import TaskIdentity, TrackedRun

def put(tar):
    return shutil.copy(tar, sys.argv[1])

key = os.environ["TEAM_KEY"]
with TrackedRun(TaskIdentity("chain", "t", key=("e",)), project="p", store=put, api_key=key) as run:
    run.log({"x": 1})
"""

ADOPTED = """
import sys
from pathlib import Path
import wandb
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import log_artifact

Path("mine.txt").write_text("mine")
with TrackedRun(TaskIdentity("chain", "t", key=("e", "t")), project="p") as run:
    artifact = wandb.Artifact("mine", "dataset")
    artifact.add_file("mine.txt", policy=sys.argv[1])
    log_artifact(run, artifact)
"""


def test_what_is_stored_when_a_run_is_closed_is_the_whole_run(tmp_path):
    """Up to its last record, which the client's service writes a moment after the run was finished."""
    target = tmp_path / "bucket"
    target.mkdir()
    done = run_python(STORED, isolated_env(tmp_path), str(target))
    runs = find([target])
    assert [run.exit_code for run in runs] == [0] * 20
    assert sorted(run.metrics["x"] for run in runs) == list(range(20))
    assert done.stderr.count(f"Sync it with: wandb-track sync {target}") == 20
    assert "Download s3://b/r.tar, and sync the copy with: wandb-track sync" in done.stderr
    assert "could not be stored elsewhere: the bucket is gone" in done.stderr


def test_the_clients_own_logs_which_hold_the_key_under_its_debug_switches_are_not_stored(tmp_path):
    target = tmp_path / "bucket"
    target.mkdir()
    debug = {"WANDB_DEBUG": "true", "WANDB_CORE_DEBUG": "true", "TEAM_KEY": valid_key}
    run_python(KEYED, isolated_env(tmp_path, **debug), str(target))
    (stored,) = target.iterdir()
    (run,) = find([stored])
    assert run.metrics["x"] == 1
    key = valid_key.encode()
    assert any(key in log.read_bytes() for log in tmp_path.rglob("debug*.log"))
    assert key not in stored.read_bytes()


def test_the_files_of_an_artifact_that_lies_elsewhere_are_kept_in_the_runs_folder(tmp_path):
    """What the client keeps read-only is linked, what somebody may still write to is copied."""
    for policy, links in (("mutable", 2), ("immutable", 1)):
        folder = tmp_path / policy
        folder.mkdir()
        run_python(ADOPTED, isolated_env(folder), policy)
        (run,) = find([folder / "wandb"])
        (kept,) = (run.place / "wandb-track" / "adopted").iterdir()
        assert kept.read_text() == "mine"
        assert kept.stat().st_nlink == links
        assert base64.b64decode(run.artifacts[0].entries[0].digest).hex() == kept.name
        assert bool(kept.stat().st_mode & stat.S_IWUSR) == (policy == "immutable")
        assert json.loads((run.place / "wandb-track" / "lineage.jsonl").read_text())["name"] == "mine"


def test_storing_waits_for_the_end_of_the_log(tmp_path):
    """The client's service writes it a moment after the run was finished."""
    log = tmp_path / "offline-run-1-x" / "run-x.wandb"
    log.parent.mkdir()
    records = [_schema.Record(run={"run_id": "x"}), _schema.Record(exit={"runtime": 7})]
    _log.write(log, [record.SerializeToString() for record in records])
    whole = log.read_bytes()
    log.write_bytes(whole[:-5])

    def write_the_end():
        with log.open("ab") as file:  # as the client does: it never makes a log shorter
            file.write(whole[-5:])

    late = threading.Timer(1.0, write_the_end)
    late.start()
    stored = store(log.parent, lambda tar: str(tar.rename(tmp_path / "whole.tar")))
    late.join()
    assert find([stored])[0].runtime == 7


def test_a_tar_is_unpacked_within_its_folder_alone_also_where_tarfile_has_no_filters(tmp_path, monkeypatch):
    """As with Debian 12's Python."""
    monkeypatch.delattr(tarfile, "data_filter")
    log, packed = tmp_path / "run-x.wandb", tmp_path / "offline-run-1-x.tar"
    _log.write(log, [_schema.Record(run=_schema.Run(run_id="x")).SerializeToString()])
    text = tmp_path / "a.txt"
    text.write_text("a")
    with tarfile.open(packed, "w") as tar:
        tar.add(log, "r/run-x.wandb")
        for name in ("r/files/a.txt", "../outside.txt", "r/../../outside.txt"):
            tar.add(text, name)
        link = tarfile.TarInfo("r/files/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(text)
        absolute = tarfile.TarInfo(f"{tmp_path}/outside.txt")
        for member in (link, absolute):
            tar.addfile(member)
    folder = rewrite(*find_runs(packed), tmp_path / "work" / "0", FROM_THE_BEGINNING)
    assert [path.read_text() for path in (folder / "files").iterdir()] == ["a"]
    assert not [*tmp_path.rglob("outside.txt")]
