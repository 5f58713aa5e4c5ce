"""Prepare data and train on it, offline; `wandb-track` shows what was tracked, and brings it to a server later.

    python examples/offline_sync/pipeline.py      needs no server and no login
    wandb-track runs .                            what lies here
    wandb-track lineage .                         which run made what, and who used it
    wandb-track sync .                            once there is a login: everything, with its lineage

A server to try it with comes with this project: `python -m wandb_track_testing.standin` prints its address, which
WANDB_BASE_URL takes; it accepts any WANDB_API_KEY of 40 letters and digits.
"""

import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split
from wandb_track_core import TaskIdentity, TrackedRun, current_run
from wandb_track_core.adapters import artifact_folder, log_artifact, use_artifact
from wandb_track_serializers import to_artifact

EXECUTION = "night7"


def tracked(task: str) -> TrackedRun:
    """An offline run for a task of this pipeline."""
    identity = TaskIdentity(
        orchestrator="script", task=task, key=(EXECUTION, task), workflow="diabetes", execution=EXECUTION
    )
    return TrackedRun(identity, project="wandb-track-demo", mode="offline")


def keep(name: str, value: object) -> str:
    """Log a value, its files straight in the run's folder; returns the alias of exactly this version."""
    run = current_run()
    folder = artifact_folder(run, name)
    artifact = to_artifact(name, value, datasets=True, models=True, directory=folder)
    alias = f"sha-{artifact.digest}"
    log_artifact(run, artifact, [alias], folder)
    return alias


def prepare() -> tuple[pd.DataFrame, str]:
    """The data set, and its version."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    with tracked("prepare") as run:
        run.summary.update({"rows": len(frame), "mean_target": frame["target"].mean()})
        return frame, keep("diabetes", frame)


def train(frame: pd.DataFrame, version: str) -> float:
    """Train forests of growing size, and keep the last one."""
    train_data, test_data = train_test_split(frame, random_state=0)
    with tracked("train") as run:
        use_artifact(run, "diabetes", version, "dataset")
        model = RandomForestRegressor(warm_start=True, random_state=0)
        for trees in (5, 10, 20, 40):
            model.set_params(n_estimators=trees)
            model.fit(train_data.drop(columns="target"), train_data["target"])
            score = model.score(test_data.drop(columns="target"), test_data["target"])
            run.log({"trees": trees, "r2": score})
        keep("forest", model)
    return score


if __name__ == "__main__":
    print(f"R² on unseen patients: {train(*prepare()):.3f}")
