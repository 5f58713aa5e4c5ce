"""A training pipeline whose inputs and outputs are on its runs."""

import functools
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
from flytekit import FlyteDirectory, FlyteFile, HashMethod, Secret, dynamic, map_task, task, workflow
from flytekit.core.base_task import IgnoreOutputs
from flytekit.types.structured import StructuredDataset
from flytekit.types.structured.basic_dfs import PandasToParquetEncodingHandler, ParquetToPandasDecodingHandler
from flytekit.types.structured.structured_dataset import StructuredDatasetTransformerEngine
from pydantic import BaseModel
from wandb_track_flyte import wandb_init

SECRET = Secret(group="wandb", key="WANDB_API_KEY")
track = functools.partial(
    wandb_init, project="p", entity="e", secret=SECRET, parameters=True, datasets=True, models=True, others=True
)


class Kind(Enum):
    FAST = "fast"


@dataclass
class Options:
    depth: int = 3


class Made(NamedTuple):
    frame: pd.DataFrame
    count: int


@track(config={"seed": 7})
@task(cache=True, cache_version="1")
def make(n: int, kind: Kind, options: Options, seed: int = 1) -> Made:
    return Made(pd.DataFrame({"x": range(n)}), n)


@track()
@task
def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame.head(1), frame.tail(1)]


@track()
@task
def write(frame: pd.DataFrame) -> FlyteFile:
    Path("rows.csv").write_text(frame.to_csv())
    return FlyteFile("rows.csv")


@track()
@task
def use(frame: pd.DataFrame, parts: list[pd.DataFrame], rows: FlyteFile) -> int:
    return len(frame) + len(parts)


@track(exclude=["frame"])
@task
def hidden(frame: pd.DataFrame) -> int:
    return len(frame)


@workflow
def pipeline(n: int = 3) -> int:
    made = make(n=n, kind=Kind.FAST, options=Options())
    parts = split(frame=made.frame)
    rows = write(frame=made.frame)
    hidden(frame=made.frame)
    return use(frame=made.frame, parts=parts, rows=rows)


@task(cache=True, cache_version="1")
def plain(n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": range(n)})


@track()
@task(cache=True, cache_version="1")
def after(frame: pd.DataFrame) -> int:
    return len(frame)


@workflow
def cached(n: int = 3) -> int:
    return after(frame=plain(n=n))


@dynamic
def planned(n: int) -> int:
    made = make(n=n, kind=Kind.FAST, options=Options())
    return hidden(frame=made.frame)


@track()
@dynamic
def promised(n: int) -> pd.DataFrame:
    return make(n=n, kind=Kind.FAST, options=Options(), seed=n).frame


@track()
@task
def count(frame: pd.DataFrame) -> int:
    return len(frame)


@workflow
def passed_on(n: int = 3) -> int:
    return count(frame=promised(n=n))


def _length(frame: pd.DataFrame) -> str:
    return str(len(frame))


def _bare(**flags):
    """What tracks a task, or leaves it as it is where a variable says so."""
    return (lambda task: task) if "UNTRACKED" in os.environ else track(**flags)


@_bare(storage=os.environ.get("STORAGE", "copy"))
@task
def hashed(seed: int) -> Annotated[pd.DataFrame, HashMethod(_length)]:
    return pd.DataFrame({"x": range(4)}, index=range(seed, seed + 4))


@_bare(storage=os.environ.get("STORAGE", "copy"))
@task
def at_a_fixed_place(place: str) -> FlyteFile:
    Path("fixed.txt").write_text("fixed")
    return FlyteFile("fixed.txt", remote_path=place)


@task(cache=True, cache_version="1")
def cached_frame(frame: pd.DataFrame) -> int:
    print("RAN cached_frame")
    return len(frame)


@task(cache=True, cache_version="1")
def cached_file(file: FlyteFile) -> int:
    print("RAN cached_file")
    return 1


@workflow
def twice(place: str) -> int:
    """Two producers, whose outputs are the same to the cache."""
    first = cached_frame(frame=hashed(seed=1))
    second = cached_frame(frame=hashed(seed=2))
    first >> second
    return cached_file(file=at_a_fixed_place(place=place))


@track()
@task
def counted(rows: FlyteFile, least: int) -> pd.DataFrame:
    frame = pd.read_csv(rows)
    return frame[frame["x"] >= least]


@workflow
def mapped(n: int = 4) -> list[pd.DataFrame]:
    rows = write(frame=make(n=n, kind=Kind.FAST, options=Options(depth=3)).frame)
    return map_task(functools.partial(counted, rows=rows))(least=[0, 2])


@track(config={"least": 1})
@task
def clashing(flyte: int = 2, least: int = 1) -> int:
    return flyte + least


@dataclass
class Record:
    kind: Kind
    since: datetime
    rows: FlyteFile


class Layers(BaseModel):
    sizes: list[int] = [8, 2]
    kind: Kind = Kind.FAST


class Described(NamedTuple):
    layers: Layers
    took: timedelta
    kinds: list[Kind]


@track()
@task
def described(
    records: list[Record], by_name: dict[str, Options], layers: Layers, since: datetime, kinds: list[Kind]
) -> Described:
    return Described(layers, timedelta(hours=1), kinds)


def describe() -> Described:
    since = datetime(2024, 1, 2, tzinfo=timezone.utc)
    Path("rows.csv").write_text("x")
    record = Record(Kind.FAST, since, FlyteFile("rows.csv"))
    return described(
        records=[record], by_name={"a": Options()}, layers=Layers(), since=since, kinds=[Kind.FAST, Kind.FAST]
    )


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def nested(n: int) -> dict[str, list[pd.DataFrame]]:
    return {"part": [pd.DataFrame({"x": [i]}) for i in range(n)]}


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def perhaps(n: int) -> list[pd.DataFrame] | None:
    return [pd.DataFrame({"x": [i]}) for i in range(n)]


@track(datasets=False)
@task
def use_nested(parts: dict[str, list[pd.DataFrame]], others: list[pd.DataFrame] | None) -> int:
    return len(parts["part"]) + len(others or [])


@workflow
def nesting(n: int = 2) -> int:
    return use_nested(parts=nested(n=n), others=perhaps(n=n))


@track()
@task
def anything(value: Any) -> Any:
    return value


@track()
@task
def paths_as_str() -> tuple[FlyteFile, list[FlyteFile]]:
    for name in "abc":
        Path(f"{name}.txt").write_text(name)
    return "a.txt", ["b.txt", "c.txt"]


@track()
@task
def use_paths(one: FlyteFile, more: list[FlyteFile]) -> str:
    return "".join(Path(each).read_text() for each in (one, *more))


@workflow
def with_paths() -> str:
    one, more = paths_as_str()
    return use_paths(one=one, more=more)


@track()
@task
async def asynchronous(frame: pd.DataFrame, least: int) -> Made:
    return Made(frame[frame["x"] >= least], least)


@track()
@task
def of_another_rank(least: int) -> pd.DataFrame:
    if least:
        raise IgnoreOutputs("rank 0 has them")
    return pd.DataFrame()


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def shard(frame: pd.DataFrame, index: int) -> list[FlyteFile]:
    names = [f"{tempfile.mkdtemp()}/shard{index}{part}.csv" for part in "ab"]
    for name in names:
        Path(name).write_text(f"{index} {Path(name).name} {len(frame)}")
    return names


@track()
@task
def join(shards: list[list[FlyteFile]]) -> int:
    return len([Path(file).read_text() for files in shards for file in files])


@workflow
def sharded(n: int = 3) -> int:
    frame = make(n=n, kind=Kind.FAST, options=Options(depth=3)).frame
    return join(shards=map_task(functools.partial(shard, frame=frame))(index=[0, 1]))


@track()
@task
def odd_only(index: int) -> FlyteFile:
    if index % 2 == 0:
        raise ValueError("even")
    Path(f"odd{index}.txt").write_text(str(index))
    return f"odd{index}.txt"


@track()
@task
def join_odd(files: list[FlyteFile | None]) -> str:
    return "".join(Path(file).read_text() for file in files if file)


@workflow
def some_fail() -> str:
    return join_odd(files=map_task(odd_only, min_success_ratio=0.4)(index=[0, 1, 2, 3]))


@dataclass
class Trained:
    weights: FlyteFile
    logs: FlyteDirectory
    epochs: int


class Scored(BaseModel):
    by_name: dict[str, FlyteFile]


@dataclass
class Table:
    rows: StructuredDataset


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def trained(epochs: int) -> Trained:
    here = Path(tempfile.mkdtemp())
    (here / "logs").mkdir()
    for name in ("weights.bin", "logs/a.txt"):
        (here / name).write_text("x" * epochs)
    return Trained(FlyteFile(str(here / "weights.bin")), FlyteDirectory(str(here / "logs")), epochs)


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def scored(epochs: int) -> Scored:
    Path("scores.txt").write_text("y" * epochs)
    return Scored(by_name={"best": FlyteFile("scores.txt")})


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def table(epochs: int) -> Table:
    return Table(StructuredDataset(dataframe=pd.DataFrame({"x": range(epochs)})))


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def several(epochs: int) -> list[Table]:
    return [Table(StructuredDataset(dataframe=pd.DataFrame({"x": range(n)}))) for n in range(epochs)]


@track()
@task
def report(model: Trained, scores: Scored, table: Table, more: list[Table]) -> str:
    frame = table.rows.open(pd.DataFrame).all()
    return Path(model.weights).read_text() + Path(scores.by_name["best"]).read_text() + str(len(frame))


@workflow
def with_records(epochs: int = 2) -> str:
    model, scores = trained(epochs=epochs), scored(epochs=epochs)
    return report(model=model, scores=scores, table=table(epochs=epochs), more=several(epochs=epochs))


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def written(n: int) -> Iterator[FlyteFile]:
    for i in range(n):
        Path(f"{i}.txt").write_text(str(i))
        yield FlyteFile(f"{i}.txt")


@track()
@task
def read(files: Iterator[FlyteFile]) -> str:
    return "".join(Path(file).read_text() for file in files)


@workflow
def one_by_one(n: int = 2) -> str:
    return read(files=written(n=n))


class Rows:
    """Stands for a frame of Spark's or of datasets', which flytekit can write and we cannot."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.session = threading.Lock()  # no pickle holds it


class WriteRows(PandasToParquetEncodingHandler):
    def encode(self, ctx, dataset, kind):
        return super().encode(ctx, StructuredDataset(dataframe=dataset.dataframe.frame), kind)


class ReadRows(ParquetToPandasDecodingHandler):
    def decode(self, *given):
        return Rows(super().decode(*given))


for handler in (WriteRows(), ReadRows()):
    handler._python_type = Rows
    StructuredDatasetTransformerEngine.register(handler)


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def foreign(n: int) -> Rows:
    return Rows(pd.DataFrame({"x": range(n)}))


@track(storage=os.environ.get("STORAGE", "copy"))
@task
def foreign_table(n: int) -> Table:
    return Table(StructuredDataset(dataframe=Rows(pd.DataFrame({"x": range(n)}))))


@track()
@task
def use_foreign(rows: Rows, table: Table) -> int:
    return len(rows.frame)


@workflow
def foreign_frames(n: int = 3) -> int:
    return use_foreign(rows=foreign(n=n), table=foreign_table(n=n))
