"""Writes the files of tests/data: one value in each format, as the installed version writes it.

    python make_data.py v1-NAME

They are kept for ever: run it again, with another name, when a format version is raised.
"""

from __future__ import annotations

import fractions
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from wandb_track_serializers import dump

HERE = Path(__file__).parent


def values():
    """Each value with the folder that it gets, and its format."""
    yield "builtins.pickle", fractions.Fraction(1, 3), None
    root = Path(tempfile.mkdtemp())
    (root / "sub").mkdir()
    (root / "empty").mkdir()
    (root / "sub" / "a.txt").write_text("a")
    yield "pathlib.files", root, None
    if find_spec("numpy"):
        import numpy as np

        yield "builtins.json", {"a": [np.arange(3), (1, None)], 2: float("nan")}, None
        yield "numpy.npy", np.arange(6, dtype="int16").reshape(2, 3), None
    if find_spec("pandas") and find_spec("pyarrow"):
        import pandas as pd

        yield "pandas.parquet", frame(pd), None
        yield "pandas.parquet-series", pd.Series([1.5, None], index=["a", "b"], name="s"), None
    if find_spec("polars"):
        import polars as pl

        yield "polars.parquet", pl.DataFrame({"a": [1, None], "b": ["x", "y"]}), None
    if find_spec("pyarrow"):
        import pyarrow as pa

        coded = pa.array(["x", "y", "x"]).dictionary_encode()
        yield "pyarrow.parquet", pa.table({"a": [2, 1, 2], "b": [[1], None, []], "c": coded}), None
    if find_spec("sklearn"):
        from sklearn.linear_model import LinearRegression

        model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
        yield "sklearn.pickle", model, None
        if find_spec("skops"):
            yield "sklearn.skops", model, "skops"
    if find_spec("torch"):
        import torch

        module = torch.nn.Linear(1, 1)
        module.load_state_dict({"weight": torch.tensor([[2.0]]), "bias": torch.tensor([1.0])})
        yield "torch.module", module, None
        if find_spec("safetensors"):
            yield "torch.safetensors", module, "safetensors"


def frame(pd):
    made = pd.DataFrame(
        {
            "text": ["x", None],
            "objects": pd.Series([1, None], dtype=object).array,
            "missing": pd.Series([None, pd.NA], dtype=object).array,
            "when": pd.DatetimeIndex(["2024-01-01", "2024-07-01"], tz="Europe/Berlin").as_unit("us"),
            "bins": pd.cut([1, 2], 2),
            "codes": pd.Categorical([3, 1], categories=[3, 2, 1], ordered=True),
        },
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None]),
    )
    made.attrs = {"unit": "m"}
    return made


if __name__ == "__main__":
    for folder, value, format in values():
        dump(value, HERE / "data" / sys.argv[1] / folder, "kept", format=format)
