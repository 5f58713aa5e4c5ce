# /// script
# dependencies = [
#     "wandb-track-core",
#     "wandb-track-serializers",
#     "wandb-track-flyte",
#     "wandb-track-metaflow",
#     "scikit-learn>=1.3",
#     "pandas>=2.0",
#     "pyarrow>=14",
# ]
# ///
"""Takes each private name of the client away, or gives it another form, while small real flows run.

python tests/future.py             every name, missing and of another form, in both orchestrators
python tests/future.py _log_artifact missing flyte     those that fit all words

Prints a line for each case, and at the end for how many the task's result was unchanged, and for how many it was also
tracked or said in one line that it was not. The exit status is 0 only if every result was unchanged.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from wandb_track_core._wandb import PRIVATE_NAMES
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import isolated_env

FORMS = ("missing", "other")
# Python runs this before anything else: the one way in which private names are found is told that one is different.
PATCH = '''
from wandb_track_core._wandb import _private

class Other:
    """What has the name, and is something else than it was."""
    def __call__(self, *args, **kwargs):
        raise TypeError("it has another signature")
    def __getattr__(self, name):
        raise AttributeError(name)

class Owner:
    pass

owner_of = _private._owner_of

def owner_in_the_future(path, owner=None):
    if path != os.environ["WANDB_TRACK_FUTURE"]:
        return owner_of(path, owner)
    other = Owner()
    if os.environ["WANDB_TRACK_FORM"] == "other":
        setattr(other, path.rpartition(":")[2].rpartition(".")[2], Other())
    return other, path.rpartition(":")[2].rpartition(".")[2]

_private._owner_of = owner_in_the_future
'''
VALUES = """
import pandas as pd
from sklearn.linear_model import LinearRegression

def frame():
    return pd.DataFrame({"x": [1.0, 2.0], "y": [2.0, 4.0]})

def fitted(data):
    return LinearRegression().fit(data[["x"]], data["y"])
"""
FLYTE = """
import wandb
from flytekit import Secret, task, workflow
from values import fitted, frame
from wandb_track_flyte import wandb_init, wandb_track

track = wandb_init(project="p", entity="e", secret=lambda: None)

@track
@task
def train(x: int) -> float:
    data = frame()
    model = fitted(data)
    wandb.log({"loss": 0.5})
    wandb_track("data", data)
    wandb_track("model", model)
    open("m.bin", "w").write("weights")
    wandb.log_model("m.bin", name="weights")
    wandb.finish()
    return float(model.coef_[0]) * x

@workflow
def training(x: int = 2) -> float:
    return train(x=x)

if __name__ == "__main__":
    print("result", round(training(x=2), 3))
"""
METAFLOW = """
import wandb
from metaflow import FlowSpec, step
from values import fitted, frame
from wandb_track_metaflow import wandb_log

@wandb_log(datasets=True, models=True, others=True)
class Train(FlowSpec):
    @step
    def start(self):
        self.data = frame()
        wandb.log({"loss": 0.5})
        self.next(self.end)

    @step
    def end(self):
        self.model = fitted(self.data)
        open("m.bin", "w").write("weights")
        wandb.log_model("m.bin", name="weights")
        wandb.finish()
        print("result", round(float(self.model.coef_[0]) * 2, 3))

if __name__ == "__main__":
    Train()
"""
PROGRAMS = {"flyte": (FLYTE, [], 1), "metaflow": (METAFLOW, ["run"], 2)}


def perform(orchestrator: str, path: str, form: str) -> tuple[bool, bool, str]:
    """Whether the result was as ever, whether it was tracked or said that it was not, and what was printed."""
    code, arguments, count = PROGRAMS[orchestrator]
    with tempfile.TemporaryDirectory(prefix="future-") as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(PATCH)
        (folder / "values.py").write_text(VALUES)
        (folder / "program.py").write_text(code)
        env = isolated_env(folder, WANDB_TRACK_FUTURE=path, WANDB_TRACK_FORM=form, PYTHONPATH=name, USERNAME="user")
        done = subprocess.run(
            [sys.executable, "program.py", *arguments], env=env, cwd=folder, capture_output=True, text=True, timeout=300
        )
        output = done.stdout + done.stderr
        runs = [run for run in find_runs(folder) if run.exit_code == 0]
        kept = {artifact.name for run in runs for artifact in run.artifacts}
        is_tracked = len(runs) == count and any(run.values("loss") for run in runs) and len(kept) >= 3
        is_told = "wandb-track:" in output
        return done.returncode == 0 and "result 4.0" in output, is_tracked or is_told, output


def main(words: list[str]) -> int:
    """Try each case that fits the words."""
    present = [name for name in PROGRAMS if find_spec({"flyte": "flytekit"}.get(name, name))]
    cases = [(orchestrator, name, form) for name in PRIVATE_NAMES for form in FORMS for orchestrator in present]
    cases = [case for case in cases if all(word in f"{case[0]} {case[1].path} {case[2]}" for word in words)]
    unchanged = told = 0
    for orchestrator, name, form in cases:
        is_unchanged, is_told, output = perform(orchestrator, name.path, form)
        unchanged, told = unchanged + is_unchanged, told + is_told
        outcome = "result unchanged" if is_unchanged else "RESULT LOST"
        print(
            f"{orchestrator:9} {name.path} {form}: {outcome}, {'tracked or told' if is_told else 'NOT TOLD'}",
            flush=True,
        )
        if not (is_unchanged and is_told):
            print("    " + "\n    ".join(output.splitlines()[-12:]), flush=True)
    total = len(cases)
    print(
        f"result unchanged in {unchanged} of {total}; tracked, or said in one line that it is not, in {told} of {total}"
    )
    return int(unchanged < total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
