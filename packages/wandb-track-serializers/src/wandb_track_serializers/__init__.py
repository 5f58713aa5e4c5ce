"""DataFrames, paths, torch modules, scikit-learn estimators and pickles to Weights & Biases artifacts and back."""

from .__about__ import __version__

__all__ = ["__version__"]
