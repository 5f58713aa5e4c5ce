"""The version of this distribution, read by hatch."""

__version__ = "0.1.3"
