import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import wandb_track_core
from hypothesis import given
from hypothesis import strategies as st
from wandb_track_core.cli import main
from wandb_track_core.offline import _log, _schema
from wandb_track_core.offline._finding import find_fragments as find
from wandb_track_core.offline._pack import pack
from wandb_track_testing.offline import read_records, read_run
from wandb_track_testing.plugin import isolated_env, run_python
from wandb_track_testing.standin import StandIn

PROGRAM = Path(__file__).with_name("sync_program.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the program ran offline."""
    folder = tmp_path_factory.mktemp("offline")
    run_python(PROGRAM, isolated_env(folder), "produce()", "consume()", "resume(0)", "resume(1)", "fail()", check=False)
    return folder


def printed(capsys, *arguments):
    assert main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_runs_lists_what_lies_below_a_folder(folder, capsys):
    """Id, project, group, state, metrics, artifacts, size, synced or not; fragments of one run are one line."""
    lines = printed(capsys, "runs", folder).splitlines()
    assert lines[0].split() == ["id", "project", "group", "state", "metrics", "artifacts", "size", "synced"]
    rows = {line.split()[0]: re.split(r"\s{2,}", line.strip()) for line in lines[1:]}
    assert list(rows) == ["e1-produce-0", "e1-consume-0", "e1-resume", "e1-fail-0"]
    assert rows["e1-produce-0"][1:5] == ["p", "w/e1", "finished", "best=0.25, loss=0.3333, nested={…}"]
    assert rows["e1-produce-0"][5] == "1"
    assert rows["e1-fail-0"][3] == "failed (1)"
    assert {row[-1] for row in rows.values()} == {"no"}


def test_runs_as_json_says_the_same_as_the_log(folder, capsys):
    """What is listed is what the client wrote."""
    runs = json.loads(printed(capsys, "runs", "--json", folder))
    for run in runs:
        written = read_run(run["places"][-1])
        assert run["id"] == written.id
        assert run["exit_code"] == written.exit_code
        assert run["metrics"].items() >= {k: v for k, v in written.summary.items() if not k.startswith("_")}.items()
        assert run["size"] >= sum(Path(place, f"run-{run['id']}.wandb").stat().st_size for place in run["places"])


def test_show_prints_one_run_whole(folder, capsys):
    """By id, name or folder: config, metrics, artifacts, inputs."""
    run = json.loads(printed(capsys, "show", "e1-consume-0", folder, "--json"))
    assert run["config"]["chain"]["task"] == "consume"
    assert run["inputs"] == [{"name": "data", "alias": "key-hello"}]
    assert [(made["name"], made["type"], made["size"]) for made in run["artifacts"]] == [("model", "dataset", 16)]
    assert json.loads(printed(capsys, "show", run["places"][0], "--json"))["id"] == "e1-consume-0"
    shown = printed(capsys, "show", run["name"], folder)
    assert "accuracy = 0.9" in shown
    assert [line for line in shown.splitlines() if line != line.rstrip()] == []


def test_show_says_so_where_no_run_is_meant(folder, capsys):
    """The exit status is not 0."""
    assert main(["show", "nothing", str(folder)]) == 1
    assert "0 of 4 runs found have the id, name or path 'nothing'" in capsys.readouterr().err


def test_runs_cuts_what_is_not_needed_to_the_width_of_a_terminal(folder, capsys, monkeypatch):
    """Ids stay whole: `show` takes them. In a pipe nothing is cut."""
    whole = printed(capsys, "runs", folder)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "92")
    lines = printed(capsys, "runs", folder).splitlines()
    assert max(map(len, whole.splitlines())) > 92 >= max(map(len, lines))
    assert [line.split()[0] for line in lines] == [line.split()[0] for line in whole.splitlines()]
    assert "best=0.25, loss=0.333…" in lines[1]


def test_a_report_that_cannot_be_written_is_an_error_of_one_line(folder, capsys, tmp_path):
    target = tmp_path / "absent" / "r.html"
    assert main(["report", str(folder), "-o", str(target)]) == 1
    assert capsys.readouterr().err == f"wandb-track: {target} cannot be written: No such file or directory\n"


def test_lineage_draws_what_was_made_and_used(folder, capsys):
    """As a tree for a terminal and as Mermaid text for a page."""
    tree = printed(capsys, "lineage", folder).splitlines()
    assert [line.strip("│├└─ ") for line in tree][:4] == [
        "w-e1-produce",
        "data:key-hello",
        "w-e1-consume",
        tree[3][-14:],
    ]
    chart = printed(capsys, "lineage", "--mermaid", folder)
    assert chart.startswith("flowchart LR\n")
    names = dict(re.findall(r'^ {4}(\w+)[\[(]+"([^"]+)"', chart, re.MULTILINE))
    edges = {(names[a], names[b]) for a, b in re.findall(r"^ {4}(\w+) --> (\w+)$", chart, re.MULTILINE)}
    assert {("w-e1-produce", "data:key-hello"), ("data:key-hello", "w-e1-consume")} <= edges


def test_a_packed_run_is_listed_as_it_was_in_its_folder(folder, capsys, tmp_path):
    """Nothing but place and size differs."""
    in_folder = json.loads(printed(capsys, "show", "e1-produce-0", folder, "--json"))
    packed = pack(in_folder["places"][0], tmp_path / "run.tar")
    in_tar = json.loads(printed(capsys, "show", packed, "--json"))
    assert in_tar.pop("places") == [str(packed)]
    assert {**in_folder, "size": in_tar["size"]} == {**in_tar, "places": in_folder["places"]}


def test_a_packed_run_that_was_cut_between_two_files_is_damaged(folder, tmp_path):
    """Or in what says which file is next: Python's own reader takes both for a whole one."""
    source, packed = next(folder.rglob("offline-run-*-e1-produce-0")), tmp_path / "run.tar"
    with tarfile.open(packed, "w") as tar:  # with the folders, which pack() leaves out
        tar.add(source, source.name)
    with tarfile.open(packed) as tar:
        ends = [member.offset for member in tar.getmembers()[1:]]
    assert find([packed])[0].faults == []
    contents = bytearray(packed.read_bytes())
    contents[ends[-1]] ^= 1
    packed.write_bytes(contents)
    assert find([packed])[0].faults == ["it is no whole tar: its end is missing"]
    for end in reversed(ends):
        for size in (end + 100, end):
            os.truncate(packed, size)
            assert find([packed])[0].faults == ["it is no whole tar: its end is missing"]


def test_of_the_copies_of_a_run_the_longest_counts(folder, tmp_path):
    """One may have been made while the run went on; a folder is taken rather than the tar of it."""
    source = next(folder.rglob("offline-run-*-e1-produce-0"))
    for name in ("early", "whole"):
        shutil.copytree(source, tmp_path / name)
    log = tmp_path / "early" / "run-e1-produce-0.wandb"
    log.write_bytes(log.read_bytes()[:-40])
    for _ in range(2):
        assert [run.place.name for run in find([tmp_path])] == ["whole"]
        pack(tmp_path / "whole", tmp_path / "a.tar")


def test_a_log_that_was_cut_off_is_read_as_far_as_it_goes(folder, capsys, tmp_path):
    """A process that was killed leaves half a record: the rest counts, and the run is not closed."""
    source = next(folder.rglob("run-e1-produce-0.wandb"))
    cut = tmp_path / "offline-run-1-e1-produce-0" / source.name
    cut.parent.mkdir()
    cut.write_bytes(source.read_bytes()[:-40])
    run = json.loads(printed(capsys, "show", cut.parent, "--json"))
    assert run["state"] == "not closed"
    assert run["config"]["lr"] == 0.1


def test_what_is_missing_is_named_with_its_remedy(folder, tmp_path):
    """A path that is not there, or on no disk; the extra that was not installed."""
    absent = tmp_path / "absent"
    code = "import sys; sys.modules['rich'] = None; from wandb_track_core.cli import main; sys.exit(main({}))"
    for arguments, said in (
        (["runs", str(absent)], f"{absent} does not exist"),
        (["sync", "s3://bucket/run.tar"], "s3://bucket/run.tar: not on this machine. Download it first"),
        (["lineage", str(folder)], "this command needs rich: pip install 'wandb-track-core[cli]'"),
    ):
        program = code.format(arguments)
        if "rich" not in said:
            program = program.replace("sys.modules['rich'] = None; ", "")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert said in done.stderr


def test_the_command_has_a_module_for_where_no_scripts_are_on_the_path(tmp_path):
    """There, a folder `wandb` of runs beside no client is not taken for the client, either."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "wandb_track_core").symlink_to(Path(wandb_track_core.__file__).parent)
    env = isolated_env(tmp_path, PYTHONPATH=str(tmp_path / "site"))
    for options, said in ((), "no offline runs found"), (["-S"], "this command needs wandb"):
        command = [sys.executable, *options, "-m", "wandb_track_core", "runs"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert said in done.stdout + done.stderr


def test_an_empty_folder_has_no_runs(capsys, tmp_path):
    """It is said, and is no error."""
    assert f"no offline runs found in {tmp_path}" in printed(capsys, "runs", tmp_path)
    assert "no lineage found" in printed(capsys, "lineage", tmp_path)
    assert main(["sync", str(tmp_path)]) == 0  # without a login, too
    assert f"no offline runs found in {tmp_path}" in capsys.readouterr().err


def test_reading_runs_does_not_import_the_client(folder):
    """It would take longer than reading a thousand runs."""
    code = (
        "import sys; from wandb_track_core.cli import main; main(['runs', sys.argv[1]]); "
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)


def test_the_command_alone_names_what_people_do_first(capsys):
    out = printed(capsys)
    for command in ("runs", "report --open", "sync", "doctor"):
        assert f"  wandb-track {command}" in out


def test_doctor_tells_what_is_wrong_and_never_a_key(folder, tmp_path):
    """Versions, login, server, what waits, the environment; as text and as JSON; with a server, without one."""
    code = "import sys, wandb; wandb.__version__ = sys.argv.pop(1) or wandb.__version__; sys.modules['rich'] = None; "
    code += "from wandb_track_core.cli import main; sys.exit(main(sys.argv[1:]))"

    def doctor(*arguments, client="", **env):
        command = [sys.executable, "-c", code, client, "doctor", *arguments, str(folder)]
        env = isolated_env(tmp_path, **env)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)

    with StandIn() as server:
        done = doctor("--json", **server.env(), WANDB_PROJECT="mine")
        facts = json.loads(done.stdout)
        key = server.env()["WANDB_API_KEY"]
        text = doctor(**server.env())
    assert done.returncode == 0, done.stderr
    assert facts["server"]["reachable"] is True
    assert facts["server"]["url"] == server.url
    assert facts["server"]["logged in"] is True
    assert facts["versions"]["wandb"]
    assert facts["offline runs"]["found"] == facts["offline runs"]["waiting for a sync"] == 4
    assert facts["environment"]["WANDB_PROJECT"] == "mine"
    assert "waiting for a sync      4" in text.stdout
    assert key not in done.stdout + done.stderr + text.stdout + text.stderr
    alone = doctor("--json")
    assert alone.returncode == 1
    assert "wandb login" in json.loads(alone.stdout)["server"]["advice"]
    too_old = json.loads(doctor("--json", client="0.29.0").stdout)["server"]
    assert "install 0.31 or later" in too_old["advice"]
    assert "logged in" not in too_old  # nobody asked
    malformed = json.loads(doctor("--json", WANDB_BASE_URL="my-server").stdout)["server"]
    assert not malformed["reachable"]
    assert "my-server" in malformed["advice"]


def file_record(size, number):
    """A record that holds one text of a length."""
    return _schema.Record(files={"files": [{"path": chr(97 + number) * size}]}).SerializeToString()


def test_what_is_logged_in_the_middle_of_a_long_run_is_listed(tmp_path, capsys):
    folder = tmp_path / "offline-run-1-x"
    folder.mkdir()
    filling = [file_record(1000, 0)] * 300
    begun, artifact = _schema.Record(run={"run_id": "x"}), _schema.Record(artifact={"name": "a", "digest": "b"})
    _log.write(folder / "run-x.wandb", [begun.SerializeToString(), *filling, artifact.SerializeToString(), *filling])
    assert json.loads(printed(capsys, "runs", tmp_path, "--json"))[0]["artifacts"] == 1


@given(st.lists(st.integers(0, 70_000), max_size=6))
def test_a_log_reads_as_it_was_written(tmp_path_factory, sizes):
    """Whatever the lengths, around the borders of blocks, too; and the client's framing is met."""
    path = tmp_path_factory.mktemp("log") / "run-x.wandb"
    messages = [file_record(size, number) for number, size in enumerate(sizes)]
    _log.write(path, messages)
    assert list(_log.entries(_log.contents_of(path))) == messages
    assert [len(record.files.files[0].path) for record in read_records(path)] == sizes


def test_a_byte_that_is_not_as_it_was_written_is_no_end(tmp_path):
    """Wherever it is: only what nothing follows may be what a killed process left half-written."""
    path = tmp_path / "run-x.wandb"
    messages = [file_record(size, number) for number, size in enumerate((5, 40_000, 9, 300))]
    _log.write(path, messages)
    whole = path.read_bytes()
    last = len(whole) - len(messages[-1]) - 7
    for at in (*range(20), 32_760, 32_768, 32_775, *range(last - 50, last)):
        with pytest.raises(_log.DamagedError):
            list(_log.entries(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]))
    for at in (*range(20), *range(last - 50, len(whole))):
        assert list(_log.entries(whole[:at])) == messages[: len(list(_log.entries(whole[:at])))]
