"""Choose the best of several trees on the iris data with Luigi, an orchestrator that wandb-track has no package for.

    WANDB_MODE=offline python examples/luigi_select/pipeline.py FOLDER

`tracking.py` beside this file is all that it takes.
"""

import json
import sys
from pathlib import Path

import luigi
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier
from tracking import tracked
from wandb_track_core import current_run

PROJECT = "wandb-track-demo"


@tracked(project=PROJECT)
class Data(luigi.Task):
    """The iris data as a file."""

    folder = luigi.PathParameter(significant=False)

    def output(self):
        return luigi.LocalTarget(self.folder / "iris.csv")

    def run(self):
        frame = load_iris(as_frame=True).frame
        current_run().summary["rows"] = len(frame)
        with self.output().open("w") as file:
            file.write(frame.to_csv(index=False))


@tracked(project=PROJECT, tags=["tree"])
class Score(luigi.Task):
    """How good a tree of one depth is."""

    folder = luigi.PathParameter(significant=False)
    depth = luigi.IntParameter()

    def requires(self):
        return Data(folder=self.folder)

    def output(self):
        return luigi.LocalTarget(self.folder / f"score-{self.depth}.json")

    def run(self):
        frame = pd.read_csv(self.input().path)
        model = DecisionTreeClassifier(max_depth=self.depth, random_state=0)
        scores = cross_val_score(model, frame.drop(columns="target"), frame["target"], cv=5)
        for score in scores:
            current_run().log({"accuracy": score})
        with self.output().open("w") as file:
            json.dump({"depth": self.depth, "accuracy": scores.mean()}, file)


@tracked(project=PROJECT)
class Select(luigi.Task):
    """The best depth."""

    folder = luigi.PathParameter(significant=False)

    def requires(self):
        return [Score(folder=self.folder, depth=depth) for depth in (1, 2, 4)]

    def output(self):
        return luigi.LocalTarget(self.folder / "best.json")

    def run(self):
        scores = [json.loads(Path(target.path).read_text()) for target in self.input()]
        best = max(scores, key=lambda score: score["accuracy"])
        current_run().summary.update(best)
        with self.output().open("w") as file:
            json.dump(best, file)


if __name__ == "__main__":
    sys.exit(not luigi.build([Select(folder=Path(sys.argv[1]))], local_scheduler=True, log_level="WARNING"))
