"""One value of each kind that the package writes, and what equality means for it; rows of libraries that are not
installed say so. Used by show_table.py in two processes, so that nothing is carried over in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass
class Row:
    kind: str
    file: str
    make: Callable[[], Any]
    same: Callable[[Any, Any], bool] = lambda old, new: bool(old == new)
    needs: tuple[str, ...] = ()
    format: str | None = None
    trusted: bool = False
    deterministic: bool = True  # an estimator keeps how long it took, and skops numbers objects by their address

    @property
    def missing(self) -> str:
        return ", ".join(name for name in self.needs if find_spec(name) is None)


class Plain:
    """Pickled as what is no other kind."""

    def __init__(self) -> None:
        self.numbers, self.itself = [1, 2.5, None], self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.numbers == self.numbers and other.itself is other

    __hash__ = None


def frame() -> Any:
    import pandas as pd

    index = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2024-03-30", periods=2, tz="Europe/Berlin")])
    made = pd.DataFrame(
        {
            "ints": pd.array([1, None, 3, 4], dtype="Int64"),
            "floats": [0.5, float("nan"), -1, 2],
            "when": pd.date_range("2024-01-01", periods=4, freq="s", tz="America/New_York"),
            "text": ["x", None, "z", ""],
            "objects": pd.Series([1, None, 3, 2**40], dtype=object).array,
            "order": pd.Categorical(["lo", "hi", None, "lo"], categories=["lo", "mid", "hi"], ordered=True),
            "bins": pd.cut([1, 2, 3, 4], 2),
            "codes": pd.Categorical([3, 1, 3, None], categories=[3, 2, 1]),
        },
        index=index,
    )
    made.attrs = {"source": "made", "sizes": [1, 2]}
    return made


def same_pandas(old: Any, new: Any) -> bool:
    import pandas as pd

    check = pd.testing.assert_series_equal if old.ndim == 1 else pd.testing.assert_frame_equal
    check(old, new, check_freq=True)
    return bool(old.attrs == new.attrs)


def series() -> Any:
    import pandas as pd

    made = pd.Series([1.5, None], index=pd.RangeIndex(3, 7, 2, name="at"), name="s", dtype="float32")
    made.attrs["unit"] = "m"
    return made


def polars_frame() -> Any:
    import polars as pl

    return pl.DataFrame(
        {
            "n": [1, None],
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "l": [[1], [2, 3]],
            "s": [{"a": 1}, {"a": 2}],
        }
    )


def same_polars(old: Any, new: Any) -> bool:
    import polars as pl

    old = old.collect() if isinstance(old, pl.LazyFrame) else old
    return bool(new.equals(old) and new.schema == old.schema)


def arrow_table() -> Any:
    import pyarrow as pa

    return pa.table(
        {
            "d": pa.array([b"1", b"2", b"1"]).dictionary_encode(),
            "t": pa.array(["a", None, "b"]).dictionary_encode(),
            "l": [[1], [2, 3], None],
        }
    ).replace_schema_metadata({"k": "v"})


def arrow_batch() -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_pydict({"a": [1, 2, None]})


def same_arrow(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(old.equals(new)) and bool(old.schema.equals(new.schema, check_metadata=True))


def folder() -> Path:
    root = Path(tempfile.mkdtemp()) / "tree"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_text("a")
    (root / "deep" / "er" / "ü.bin").write_bytes(bytes(range(256)))
    (root / "deep" / "link").symlink_to("../a.txt")
    return root


def file() -> Path:
    return folder() / "a.txt"


def same_path(old: Path, new: Path) -> bool:
    if old.is_file():
        return old.name == new.name and old.read_bytes() == new.read_bytes()
    inside = [{path.relative_to(root).as_posix(): path for path in root.rglob("*")} for root in (old, new)]
    return inside[0].keys() == inside[1].keys() and all(
        path.is_dir() or path.read_bytes() == inside[1][name].read_bytes() for name, path in inside[0].items()
    )


def module() -> Any:
    import torch

    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).eval()
    made[0].weight.data[0, 0] = float("nan")
    return made


def same_state(old: dict[str, Any], new: dict[str, Any]) -> bool:
    import torch

    return old.keys() == new.keys() and all(torch.equal(old[k].nan_to_num(), new[k].nan_to_num()) for k in old)


def same_module(old: Any, new: Any) -> bool:
    return type(old) is type(new) and old.training == new.training and same_state(old.state_dict(), new.state_dict())


def pipeline() -> Any:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    search = GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2)
    return make_pipeline(StandardScaler(), search).fit(*load_iris(return_X_y=True))


def plain_pipeline() -> Any:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(*load_iris(return_X_y=True))


def same_estimator(old: Any, new: Any) -> bool:
    from sklearn.datasets import load_iris

    data = load_iris().data
    return bool((old.predict_proba(data) == new.predict_proba(data)).all())


def array() -> Any:
    import numpy as np

    made = np.zeros((2, 3), dtype=[("a", "<f4"), ("b", "M8[s]"), ("c", "S3")], order="F")
    made["a"] = [[1, float("nan"), 3], [4, 5, 6]]
    return made


def same_array(old: Any, new: Any) -> bool:
    return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()


PANDAS, POLARS, ARROW = ("pandas", "pyarrow"), ("polars",), ("pyarrow",)
ROWS: dict[str, Row] = {
    "pandas.DataFrame": Row("dataset", ".parquet", frame, same_pandas, PANDAS),
    "pandas.Series": Row("dataset", ".parquet", series, same_pandas, PANDAS),
    "polars.DataFrame": Row("dataset", ".parquet", polars_frame, same_polars, POLARS),
    "polars.LazyFrame": Row("dataset", ".parquet", lambda: polars_frame().lazy(), same_polars, POLARS),
    "polars.Series": Row("dataset", ".parquet", lambda: polars_frame()["l"], lambda a, b: a.equals(b), POLARS),
    "pyarrow.Table": Row("dataset", ".parquet", arrow_table, same_arrow, ARROW),
    "pyarrow.RecordBatch": Row("dataset", ".parquet", arrow_batch, same_arrow, ARROW),
    "Path to a file": Row("dataset", ".txt", file, same_path),
    "Path to a folder": Row("dataset", "", folder, same_path),
    "torch.nn.Module": Row("model", ".pkl", module, same_module, ("torch",), trusted=True),
    "torch.nn.Module as safetensors": Row(
        "model",
        ".safetensors",
        module,
        lambda old, new: same_state(old.state_dict(), new),
        ("torch", "safetensors"),
        "safetensors",
    ),
    "sklearn pipeline": Row("model", ".pkl", pipeline, same_estimator, ("sklearn",), trusted=True, deterministic=False),
    "sklearn pipeline as skops": Row(
        "model", ".skops", plain_pipeline, same_estimator, ("sklearn", "skops"), "skops", deterministic=False
    ),
    "numpy.ndarray": Row("other", ".npy", array, same_array, ("numpy",)),
    "anything that pickles": Row("other", ".pkl", Plain, trusted=True),
}


def numpy_scalars() -> list[Any]:
    import numpy as np

    return [np.int8(3), np.float32(0.5), np.bool_(True), np.str_("s"), np.float64("nan")]


BASE: dict[str, tuple[Callable[[], Any], Any]] = {
    "dict": (lambda: {"a": {"b": (1, 2)}, 1: {"z", "a"}}, {"a": {"b": [1, 2]}, "1": ["a", "z"]}),
    "list": (lambda: [1, [2.5, None], True], [1, [2.5, None], True]),
    "set": (lambda: {3, 1, 2}, [1, 2, 3]),
    "tuple": (lambda: ("x", 1), ["x", 1]),
    "str, int, float, bool, None": (lambda: ["s", 1, 0.5, True, None], ["s", 1, 0.5, True, None]),
    "NumPy scalars": (numpy_scalars, [3, 0.5, True, "s", "NaN"]),
    "NaN and infinities": (lambda: [float("nan"), float("inf"), -float("inf")], ["NaN", "Infinity", "-Infinity"]),
}
