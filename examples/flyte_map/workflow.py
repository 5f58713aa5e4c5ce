"""Try several strengths of a classifier on the wine data with a Flyte map task: one W&B run for each element.

    pyflyte run examples/flyte_map/workflow.py search

Without a W&B login the runs are kept offline; with one, or with WANDB_API_KEY set, they go to the server.
"""

import os

from flytekit import map_task, task, workflow
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wandb_track_flyte import current_run, wandb_init

PROJECT = "wandb-track-demo"
ENTITY = os.environ.get("WANDB_ENTITY", "my-team")


def api_key() -> str | None:
    """Read the key when a task starts; without one the user's own login serves."""
    return os.environ.get("WANDB_API_KEY")


# Above @task: only there has a map task its link in the Flyte console.
@wandb_init(project=PROJECT, entity=ENTITY, secret=api_key, tags=["wine"])
@task
def fit(strength: float) -> float:
    """Measure one strength by cross-validation, and log each fold."""
    features, target = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    run = current_run()
    run.config.update({"strength": strength})
    scores = cross_val_score(model, features, target, cv=5)
    for fold, score in enumerate(scores):
        run.log({"fold": fold, "accuracy": score})
    run.summary["mean_accuracy"] = scores.mean()
    return float(scores.mean())


@wandb_init(project=PROJECT, entity=ENTITY, secret=api_key, tags=["wine"], job_type="selection")
@task
def select(strengths: list[float], scores: list[float]) -> float:
    """Keep the best strength."""
    best_score, best = max(zip(scores, strengths, strict=True))
    current_run().summary.update({"best_strength": best, "best_accuracy": best_score})
    return best


@workflow
def search(strengths: list[float] = [0.001, 0.03, 1.0]) -> float:  # noqa: B006 - Flyte's own way of giving a default
    """Map, then select."""
    scores = map_task(fit)(strength=strengths)
    return select(strengths=strengths, scores=scores)
