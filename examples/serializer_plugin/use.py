"""Weigh the words in the descriptions of scikit-learn's data sets, and keep the sparse matrix in a run, offline.

python examples/serializer_plugin/use.py
"""

from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import artifact_folder, log_artifact
from wandb_track_serializers import load, to_artifact

LOADERS = (datasets.load_iris, datasets.load_wine, datasets.load_digits, datasets.load_breast_cancer)

if __name__ == "__main__":
    texts = [loader().DESCR for loader in LOADERS]
    matrix = TfidfVectorizer().fit_transform(texts)
    identity = TaskIdentity(orchestrator="script", task="weigh")
    with TrackedRun(identity, project="wandb-track-demo", mode="offline") as run:
        folder = artifact_folder(run, "tfidf")
        artifact = to_artifact("tfidf", matrix, datasets=True, directory=folder)
        log_artifact(run, artifact, folder=folder)
    again = load(folder)
    print(
        f"{artifact.metadata['wandb_track']['serializer']}: {again.shape}, {again.nnz} weights, {type(again).__name__}"
    )
