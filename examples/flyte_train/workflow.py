"""Train a classifier on the breast cancer data that scikit-learn ships, each task tracked as a W&B run.

The data and the model are artifacts, and each run is linked to the versions that this execution made.

    pyflyte run examples/flyte_train/workflow.py training_workflow --epochs 8

Without a W&B login the runs are kept offline; with one, or with WANDB_API_KEY set, they go to the server.
"""

import os
from pathlib import Path
from typing import NamedTuple

import joblib
import pandas as pd
from flytekit import FlyteFile, current_context, task, workflow
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wandb_track_flyte import current_run, wandb_init, wandb_track, wandb_use

PROJECT = "wandb-track-demo"
ENTITY = os.environ.get("WANDB_ENTITY", "my-team")


def api_key() -> str | None:
    """Read the key when a task starts; without one the user's own login serves."""
    return os.environ.get("WANDB_API_KEY")


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


@wandb_init(project=PROJECT, entity=ENTITY, secret=api_key, tags=["breast-cancer"])
@task
def load_data(test_share: float) -> Split:
    """Split the data set, and record what is in it."""
    frame = load_breast_cancer(as_frame=True).frame
    train, test = train_test_split(frame, test_size=test_share, random_state=0, stratify=frame["target"])
    run = current_run()
    run.config.update({"test_share": test_share, "features": frame.shape[1] - 1})
    run.summary.update({"train_rows": len(train), "test_rows": len(test), "benign": float(frame["target"].mean())})
    split = Split(train.reset_index(drop=True), test.reset_index(drop=True))
    wandb_track("train_data", split.train)
    wandb_track("test_data", split.test)
    return split


@wandb_init(project=PROJECT, entity=ENTITY, secret=api_key, tags=["breast-cancer"], config={"model": "SGDClassifier"})
@task
def train_model(data: pd.DataFrame, epochs: int, alpha: float) -> FlyteFile:
    """Train one epoch after the other, and record how the loss falls."""
    wandb_use("train_data")
    features, target = data.drop(columns="target"), data["target"]
    scaler = StandardScaler().fit(features)
    classifier = SGDClassifier(loss="log_loss", alpha=alpha, random_state=0)
    run = current_run()
    run.config.update({"epochs": epochs, "alpha": alpha})
    for _ in range(epochs):
        classifier.partial_fit(scaler.transform(features), target, classes=[0, 1])
        predicted = classifier.predict_proba(scaler.transform(features))
        run.log({"loss": log_loss(target, predicted), "accuracy": accuracy_score(target, predicted.argmax(axis=1))})
    pipeline = make_pipeline(scaler, classifier)
    wandb_track("classifier", pipeline)
    path = Path(current_context().working_directory) / "model.joblib"
    joblib.dump(pipeline, path)
    return FlyteFile(str(path))


@wandb_init(project=PROJECT, entity=ENTITY, secret=api_key, tags=["breast-cancer"], job_type="evaluation")
@task
def evaluate(model: FlyteFile, data: pd.DataFrame) -> float:
    """Measure the model on data that it has not seen."""
    wandb_use("test_data")
    wandb_use("classifier")
    pipeline = joblib.load(model.download())
    features, target = data.drop(columns="target"), data["target"]
    accuracy = float(pipeline.score(features, target))
    area = float(roc_auc_score(target, pipeline.predict_proba(features)[:, 1]))
    current_run().summary.update({"test_accuracy": accuracy, "test_roc_auc": area})
    return accuracy


@workflow
def training_workflow(epochs: int = 8, alpha: float = 0.001, test_share: float = 0.25) -> float:
    """Load, train, evaluate."""
    split = load_data(test_share=test_share)
    model = train_model(data=split.train, epochs=epochs, alpha=alpha)
    return evaluate(model=model, data=split.test)
