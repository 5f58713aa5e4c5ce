"""Select a classifier for the breast cancer data that scikit-learn ships: candidates train side by side in a foreach.

    python examples/metaflow_select/flow.py run

Each task is a W&B run. The data and the candidates are artifacts, and each run is linked to the very versions that it
read. Without a W&B login set WANDB_MODE=offline; the runs then lie below ./wandb.
"""

from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import current_run, wandb_log


@wandb_log(datasets=True, models=True, project="wandb-track-demo", tags=["breast-cancer"])
class SelectFlow(FlowSpec):
    """Trains three candidates, and measures the best of them on data that none has seen."""

    test_share = Parameter("test_share", default=0.25, help="the part of the data that is kept for the end")
    folds = Parameter("folds", default=5, help="of the cross-validation")

    @step
    def start(self):
        """Split the data."""
        from sklearn.datasets import load_breast_cancer
        from sklearn.model_selection import train_test_split

        frame = load_breast_cancer(as_frame=True).frame
        train, test = train_test_split(frame, test_size=self.test_share, random_state=0, stratify=frame["target"])
        self.train, self.test = train.reset_index(drop=True), test.reset_index(drop=True)
        self.benign = float(frame["target"].mean())
        self.candidates = ["logistic regression", "random forest", "nearest neighbours"]
        self.next(self.fit, foreach="candidates")

    @step
    def fit(self):
        """Train one candidate, and estimate how good it is."""
        from sklearn.model_selection import cross_val_score

        features, target = self.train.drop(columns="target"), self.train["target"]
        candidate = estimator(self.input)
        accuracies = cross_val_score(candidate, features, target, cv=self.folds)
        for accuracy in accuracies:
            current_run().log({"fold_accuracy": float(accuracy)})
        self.accuracy = float(accuracies.mean())
        self.model, self.name_of_model = candidate.fit(features, target), self.input
        self.next(self.select)

    @step
    def select(self, inputs):
        """Take the best candidate: this makes no new version of it."""
        best = max(inputs, key=lambda candidate: candidate.accuracy)
        self.model, self.name_of_model = best.model, best.name_of_model
        self.ranking = {candidate.name_of_model: candidate.accuracy for candidate in inputs}
        self.merge_artifacts(inputs, include=["test"])
        self.next(self.end)

    @step
    def end(self):
        """Measure it."""
        features, target = self.test.drop(columns="target"), self.test["target"]
        self.test_accuracy = float(self.model.score(features, target))
        print(f"{self.name_of_model}: {self.test_accuracy:.3f} of the test data are right")


def estimator(name):
    """Make an untrained candidate."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    candidates = {
        "logistic regression": LogisticRegression(max_iter=500),
        "random forest": RandomForestClassifier(50, random_state=0),
        "nearest neighbours": KNeighborsClassifier(5),
    }
    return make_pipeline(StandardScaler(), candidates[name])


if __name__ == "__main__":
    SelectFlow()
