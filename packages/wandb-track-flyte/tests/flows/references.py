"""Tasks whose outputs become references, or copies, as a variable says."""

import functools
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from flytekit import FlyteDirectory, FlyteFile, Secret, task, workflow
from flytekit.types.pickle import FlytePickle
from flytekit.types.structured import StructuredDataset
from wandb_track_flyte import wandb_init, wandb_track, wandb_use

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
STORAGE = os.environ.get("STORAGE", "reference")


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


class Made(NamedTuple):
    frame: pd.DataFrame
    rows: FlyteFile
    folder: FlyteDirectory
    thing: FlytePickle
    parts: list[FlyteFile]
    count: int


@track(storage=STORAGE)
@task(cache=True, cache_version="1")
def make(n: int) -> Made:
    here = Path(tempfile.mkdtemp())
    rows, folder, deep = here / "rows.csv", here / "folder", here / "folder" / "deep"
    rows.write_bytes(b"x" * n)
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    frame = pd.DataFrame({"x": [1.5, 2.5]})
    parts = [FlyteFile(str(folder / "b.txt")), FlyteFile(str(deep / "a.txt"))]
    return Made(frame, FlyteFile(str(rows)), FlyteDirectory(str(folder)), Thing(n), parts, n)


@track(storage="copy")
@task
def use(
    frame: pd.DataFrame, rows: FlyteFile, folder: FlyteDirectory, thing: FlytePickle, parts: list[FlyteFile]
) -> int:
    return len(frame) + thing.number


@workflow
def pipeline(n: int = 3) -> int:
    made = make(n=n)
    return use(frame=made.frame, rows=made.rows, folder=made.folder, thing=made.thing, parts=made.parts)


@track()
@task
def own(uri: str) -> str:
    wandb_track("mine", uri, storage="reference", aliases=["here"])
    return wandb_use("mine", load=True).read_text()


@track()
@task
def own_path(path: FlyteFile) -> str:
    wandb_track("own_file", Path(path.download()), storage="reference")
    return wandb_use("own_file", load=True).read_text()


@track(storage=STORAGE)
@task
def fixed(uri: str) -> FlyteFile:
    Path("fixed.txt").write_text("fixed")
    return FlyteFile("fixed.txt", remote_path=uri)


@track()
@task
def reader(file: FlyteFile) -> str:
    return Path(file.download()).read_text()


@workflow
def at_a_fixed_place(uri: str) -> str:
    return reader(file=fixed(uri=uri))


@track()
@task
def at_a_uri(uri: str) -> FlyteFile:
    return uri


@track()
@task
def frame_at_a_uri(uri: str) -> StructuredDataset:
    return StructuredDataset(uri=uri, file_format="parquet")


@track()
@task
def passed_on(file: FlyteFile) -> FlyteFile:
    return file


@track()
@task
def take(raw: FlyteFile, rows: list[FlyteFile], folder: FlyteDirectory) -> int:
    return len(rows)


@track()
@task
def take_frame(frame: StructuredDataset) -> int:
    return 1


@track()
@task
def take_pickle(thing: FlytePickle) -> int:
    return 1


try:
    import torch
except ImportError:
    torch = None
else:

    @track(storage=STORAGE)
    @task
    def network() -> torch.nn.Module:
        return torch.nn.Linear(2, 1)
