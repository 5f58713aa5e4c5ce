"""Two assets: the iris data as a file, and a model trained on it.

WANDB_MODE=offline python examples/dagster/assets.py FOLDER
"""

import json
import sys
from pathlib import Path

import dagster as dg
from tracking import tracked, upload, use
from wandb_track_core import current_run

PROJECT = "wandb-track-demo"


class Folder(dg.ConfigurableResource):
    """Where the files go."""

    path: str


@dg.asset
@tracked(project=PROJECT)
def points(context: dg.AssetExecutionContext, folder: Folder) -> str:
    """A line, as a file: its version is what the next asset is tied to."""
    file = Path(folder.path, "points.json")
    file.write_text(json.dumps([(x, 2 * x + 1) for x in range(20)]))
    return upload(context, file)


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
@tracked(project=PROJECT, tags=["line"])
def slope(context: dg.AssetExecutionContext, folder: Folder, points: str) -> float:
    """The slope, found step by step."""
    use(points)
    rows = json.loads(Path(folder.path, "points.json").read_text())
    guess = 0.0
    for _ in range(20):
        error = sum((guess * x + 1 - y) * x for x, y in rows) / len(rows)
        guess -= 0.005 * error
        current_run().log({"error": abs(error)})
    return guess


if __name__ == "__main__":
    resources = {"folder": Folder(path=sys.argv[1])}
    sys.exit(not dg.materialize([points, slope], resources=resources).success)
