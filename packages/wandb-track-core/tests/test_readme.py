"""The README's example is run as it stands."""

import re
from pathlib import Path

from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env, run_python

README = Path(__file__).parent.parent / "README.md"


def test_the_third_orchestrator_takes_at_most_40_lines_and_tracks_its_task(tmp_path):
    example, reading = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(example.splitlines()) <= 40
    env = isolated_env(tmp_path)
    run_python(example, env)
    printed = run_python(reading, env).stdout
    assert "nightly/e42 train finished {" in printed
    assert "e42-train-0" in (tmp_path / "report.html").read_text()
    (run,) = find_runs(tmp_path)
    assert (run.id, run.group, run.job_type, run.exit_code) == ("e42-train-0", "nightly/e42", "train", 0)
    assert run.values("loss") == [1.0, 0.5, 1 / 3]
    assert run.config["lr"] == 0.1
