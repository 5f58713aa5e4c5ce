"""Train a classifier on the breast cancer data that scikit-learn ships, each task tracked as a W&B run.

The flags of `@wandb_init` put the tasks' inputs and outputs on the runs: parameters in the config, data and model as
artifacts, each linked to the task that made it. The data is not copied: its artifacts refer to Flyte's own files.

    pyflyte run examples/flyte_train/workflow.py training_workflow --epochs 8

Without a W&B login the runs are kept offline; with one, or with WANDB_API_KEY set, they go to the server.
"""

import functools
import os
from typing import NamedTuple

import pandas as pd
from flytekit import task, workflow
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from wandb_track_flyte import current_run, wandb_init


def api_key() -> str | None:
    """Read the key when a task starts; without one the user's own login serves."""
    return os.environ.get("WANDB_API_KEY")


track = functools.partial(
    wandb_init,
    project="wandb-track-demo",
    entity=os.environ.get("WANDB_ENTITY", "my-team"),
    secret=api_key,
    tags=["breast-cancer"],
    parameters=True,
    datasets=True,
    models=True,
)


class Split(NamedTuple):
    train_data: pd.DataFrame
    test_data: pd.DataFrame


class Trained(NamedTuple):
    classifier: Pipeline


class Scores(NamedTuple):
    test_accuracy: float
    test_roc_auc: float


@track(storage="reference")
@task
def load_data(test_share: float) -> Split:
    """Split the data set."""
    frame = load_breast_cancer(as_frame=True).frame
    train, test = train_test_split(frame, test_size=test_share, random_state=0, stratify=frame["target"])
    current_run().summary.update({"train_rows": len(train), "test_rows": len(test)})
    return Split(train.reset_index(drop=True), test.reset_index(drop=True))


@track(config={"model": "SGDClassifier"})
@task
def train_model(data: pd.DataFrame, epochs: int, alpha: float) -> Trained:
    """Train one epoch after the other, and record how the loss falls."""
    features, target = data.drop(columns="target"), data["target"]
    scaler = StandardScaler().fit(features)
    classifier = SGDClassifier(loss="log_loss", alpha=alpha, random_state=0)
    for _ in range(epochs):
        classifier.partial_fit(scaler.transform(features), target, classes=[0, 1])
        predicted = classifier.predict_proba(scaler.transform(features))
        accuracy = accuracy_score(target, predicted.argmax(axis=1))
        current_run().log({"loss": log_loss(target, predicted), "accuracy": accuracy})
    return Trained(make_pipeline(scaler, classifier))


@track(job_type="evaluation")
@task
def evaluate(model: Pipeline, data: pd.DataFrame) -> Scores:
    """Measure the model on data that it has not seen."""
    features, target = data.drop(columns="target"), data["target"]
    probabilities = model.predict_proba(features)[:, 1]
    return Scores(float(model.score(features, target)), float(roc_auc_score(target, probabilities)))


@workflow
def training_workflow(epochs: int = 8, alpha: float = 0.001, test_share: float = 0.25) -> Scores:
    """Load, train, evaluate."""
    split = load_data(test_share=test_share)
    trained = train_model(data=split.train_data, epochs=epochs, alpha=alpha)
    return evaluate(model=trained.classifier, data=split.test_data)
