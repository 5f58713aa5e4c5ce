"""A training pipeline of four tasks, all with every flag on and every output cached."""

import functools
from typing import NamedTuple

import pandas as pd
from flytekit import Secret, map_task, task, workflow
from sklearn.linear_model import Ridge
from wandb_track_flyte import wandb_init

track = functools.partial(
    wandb_init,
    project="p",
    entity="e",
    secret=Secret(group="wandb", key="WANDB_API_KEY"),
    parameters=True,
    datasets=True,
    models=True,
    others=True,
)


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


class Selected(NamedTuple):
    model: Ridge
    error: float


def fit(frame: pd.DataFrame, strength: float) -> Ridge:
    return Ridge(alpha=strength).fit(frame[["x"]], frame["y"])


@track()
@task(cache=True, cache_version="1")
def make(n: int) -> pd.DataFrame:
    frame = pd.DataFrame({"x": [float(x) for x in range(n)]})
    return frame.assign(y=3 * frame["x"] + 1)


@track()
@task(cache=True, cache_version="1")
def split(frame: pd.DataFrame) -> Split:
    return Split(frame.iloc[::2].reset_index(drop=True), frame.iloc[1::2].reset_index(drop=True))


@track()
@task(cache=True, cache_version="1")
def candidate(strength: float, train: pd.DataFrame) -> float:
    return float(fit(train, strength).score(train[["x"]], train["y"]))


@track()
@task(cache=True, cache_version="1")
def select(scores: list[float], strengths: list[float], train: pd.DataFrame, test: pd.DataFrame, note: str) -> Selected:
    model = fit(train, strengths[scores.index(max(scores))])
    return Selected(model, float((model.predict(test[["x"]]) - test["y"]).abs().max()))


@workflow
def pipeline(n: int, note: str = "first", strengths: list[float] = [0.1, 1.0, 10.0]) -> Selected:  # noqa: B006
    parts = split(frame=make(n=n))
    scores = map_task(functools.partial(candidate, train=parts.train))(strength=strengths)
    return select(scores=scores, strengths=strengths, train=parts.train, test=parts.test, note=note)
