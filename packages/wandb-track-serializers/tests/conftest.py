"""Fixtures of this package's tests."""

from __future__ import annotations

import pytest
from wandb_track_serializers import _registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> _registry.Registry:
    """A registry of this test's own, so that what it registers is gone afterwards."""
    fresh = _registry.Registry()
    monkeypatch.setattr(_registry, "_REGISTRY", fresh)
    return fresh
