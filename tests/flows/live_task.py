"""A Flyte task on real data, tracked in the project that the environment names."""

import os

import wandb
from flytekit import task, workflow
from wandb_track_flyte import wandb_init


@wandb_init(
    project=os.environ["LIVE_PROJECT"],
    entity=os.environ["LIVE_ENTITY"],
    secret=lambda: os.environ.get("WANDB_API_KEY"),
    id=os.environ["LIVE_ID"],
    api_host=os.environ["WANDB_BASE_URL"],
    config={"depth": 3},
    tags=["live"],
)
@task
def train(folds: int) -> float:
    from sklearn.datasets import load_wine
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    data, target = load_wine(return_X_y=True)
    scores = cross_val_score(DecisionTreeClassifier(max_depth=3, random_state=0), data, target, cv=folds)
    for fold, score in enumerate(scores):
        wandb.log({"fold": fold, "score": float(score)})
    return float(scores.mean())


@workflow
def training(folds: int = 3) -> float:
    return train(folds=folds)
