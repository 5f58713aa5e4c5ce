"""The pipeline as Luigi runs it, and how its tasks end."""

from pathlib import Path

from wandb_track_core.adapters import read_lineage
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

HERE = str(Path(__file__).parent)


def test_the_pipeline_has_runs_a_group_and_lineage(tmp_path):
    (tmp_path / "targets").mkdir()
    run_python(Path(HERE, "pipeline.py"), isolated_env(tmp_path), str(tmp_path / "targets"))
    runs = find_runs(tmp_path)
    assert {run.exit_code for run in runs} == {0}
    assert len({run.group for run in runs}) == 1
    scores = [run for run in runs if run.job_type == "Score"]
    assert {run.config["depth"] for run in scores} == {1, 2, 4}
    edges = [(run.job_type, edge) for run in runs for edge in read_lineage(run.path.parent)]
    made = {(edge["name"], alias) for _, edge in edges if edge["edge"] == "output" for alias in edge["aliases"]}
    used = [(task, (edge["name"], edge["alias"])) for task, edge in edges if edge["edge"] == "input"]
    assert {version for _, version in used} <= made
    assert [task for task, _ in used].count("Select") == 3
    (selected,) = (run for run in runs if run.job_type == "Select")
    best = max(scores, key=lambda run: sum(run.values("accuracy")))
    assert selected.summary["depth"] == best.config["depth"]


def test_a_task_that_raises_has_failed(tmp_path):
    code = f"""
import sys; sys.path.insert(0, {HERE!r})
import luigi
from tracking import tracked

@tracked(project="p")
class Broken(luigi.Task):
    def run(self):
        raise ValueError("mine")

assert not luigi.build([Broken()], local_scheduler=True)
"""
    run_python(code, isolated_env(tmp_path))
    assert [run.exit_code for run in find_runs(tmp_path)] == [1]
