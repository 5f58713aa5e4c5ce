"""Real data, and a model that was saved before: a torch module where there is torch, else an estimator."""

import pickle
from importlib.util import find_spec
from pathlib import Path

CSV = str(Path(find_spec("sklearn").origin).parent / "datasets" / "data" / "breast_cancer.csv")


def load(path):
    """Load the saved model."""
    if path.endswith(".pt"):
        import torch

        return torch.load(path, weights_only=False)
    return pickle.loads(Path(path).read_bytes())


def train(frame):
    """Fit an estimator to the frame, whose last column is the class."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=20, solver="liblinear").fit(frame.iloc[:, :-1], frame.iloc[:, -1])
