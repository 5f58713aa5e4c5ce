"""Images with another wandb client than the one that is supported, or with none: the task lives."""

import subprocess
import sys

import pytest
from wandb_track_core._wandb._load import OLDEST
from wandb_track_testing.plugin import isolated_env

pytestmark = pytest.mark.slow

CODE = """
import sys
from wandb_track_core import TaskIdentity, TrackedRun, TrackError, current_run
for policy in ("offline", "warn", "raise"):
    try:
        with TrackedRun(TaskIdentity("chain", "train", key=("e1",)), project="p", on_error=policy) as run:
            run.log({"a": 1})
            current_run().summary["b"] = 2
        print("result", policy)
    except TrackError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("__version__ = '0.18.7'", "wandb 0.18.7 is too old: pip install 'wandb>="),
        ("raise RuntimeError('built for another machine')", "cannot be imported: RuntimeError: built for another"),
        ("import a_library_that_is_missing", "cannot be imported: No module named 'a_library_that_is_missing'"),
        ("", "wandb is not installed: pip install 'wandb>="),
    ],
    ids=["old", "broken", "incomplete", "none"],
)
def test_a_client_that_cannot_be_used_is_one_line_and_on_error_decides(tmp_path, client, told):
    (tmp_path / "wandb").mkdir()
    if client:
        (tmp_path / "wandb" / "__init__.py").write_text(client)
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + CODE]
    if not client:
        command[-1] = "import sys; sys.modules['wandb'] = None\n" + CODE
    env = isolated_env(tmp_path)
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["result offline", "result warn", "TrackerFaultError"]
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(told in line and line.startswith("wandb-track: this task was not tracked") for line in lines)


def test_the_oldest_client_is_the_one_that_the_packages_declare():
    from importlib.metadata import PackageNotFoundError, requires

    for package in ("wandb-track-flyte", "wandb-track-metaflow"):
        try:
            assert f"wandb>={OLDEST}" in (requires(package) or ())
        except PackageNotFoundError:
            continue
