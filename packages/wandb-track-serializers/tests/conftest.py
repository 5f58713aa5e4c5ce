"""Fixtures of this package's tests."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_track_serializers import Manifest, _registry, dump

sys.path.insert(0, str(Path(__file__).parent))  # for what the tests share


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of this test's own, so that what it registers is gone afterwards."""
    monkeypatch.setattr(_registry, "_serializers", {})
    monkeypatch.setattr(_registry, "_pending", None)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[Manifest, str, bool]]]:
    """Stores a value and loads it in another process.

    Returns the manifest, what differs there (nothing where it is the same), and whether it was read without trust.
    """
    here = Path(__file__).parent
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(here)!r}); import other_process"]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None
    assert other.stdout is not None

    def store(value: Any, format: str | None = None) -> tuple[Manifest, str, bool]:
        folder = tmp_path_factory.mktemp("stored")
        (folder / "original.pkl").write_bytes(pickle.dumps(value, protocol=5))
        manifest = dump(value, folder / "stored", format=format)
        other.stdin.write(f"{folder}\n")
        other.stdin.flush()
        found, is_safe = json.loads(other.stdout.readline())
        return manifest, found, is_safe

    yield store
    other.stdin.close()
    other.wait(60)
