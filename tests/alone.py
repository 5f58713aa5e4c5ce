"""Looks at one wheel in an environment that holds it and what it brings, and nothing else.

python tests/alone.py PACKAGE

It uses the standard library alone. What a bare environment cannot do has to say what it needs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

OPTIONAL = {"pandas", "polars", "safetensors", "scikit-learn", "skops", "torch"}
NEVER = {
    "core": OPTIONAL | {"flytekit", "metaflow", "rich", "wandb"},
    "serializers": OPTIONAL | {"flytekit", "metaflow", "numpy", "pyarrow", "wandb"},
    "flyte": OPTIONAL | {"metaflow"},
    "metaflow": OPTIONAL | {"flytekit"},
}
"""What a package brings neither itself nor by way of what it requires."""
HEAVY = OPTIONAL | {"numpy", "pyarrow", "sklearn", "wandb"}


def check(package: str) -> list[str]:
    """Say everything that is wrong with a package in this environment."""
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    wrong = [f"it brings {name}" for name in sorted(installed & NEVER[package])]
    return wrong + _imports(f"wandb_track_{package}") + CASES.get(package, list)()


def _imports(module: str) -> list[str]:
    """Import a module and everything below it, and see that the first of that loads nothing heavy."""
    first = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", first], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"import {module} fails: {done.stderr.strip().splitlines()[-1]}"]
    wrong = []
    if "flytekit" not in done.stdout.split():  # what that loads is not ours to say
        wrong += [f"import {module} loads {name}" for name in sorted(HEAVY & set(done.stdout.split()))]
    home = importlib.import_module(module)
    for found in pkgutil.walk_packages(getattr(home, "__path__", ()), f"{module}."):
        try:
            importlib.import_module(found.name)
        except ImportError as error:
            if "pip install" not in str(error):
                wrong.append(f"import {found.name} fails: {error}")
    return wrong


def _run(command: list[str], *words: str) -> list[str]:
    """Run a command, and say which words it does not print."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return [f"{command} prints {said!r}, without {word!r}" for word in words if word not in said]


def _core_lacks_wandb() -> list[str]:
    task = "with TrackedRun(TaskIdentity('any', 'task'), project='any'): print('done')"
    program = f"from wandb_track_core import TaskIdentity, TrackedRun\n{task}"
    command = str(Path(sys.executable).with_name("wandb-track"))
    return [
        *_run([sys.executable, "-c", program], "done", "this task was not tracked", "pip install 'wandb>="),
        *_run([command, "runs"], "rich", "wandb", "pip install 'wandb-track-core[cli]'"),
    ]


def _serializers_lack_libraries() -> list[str]:
    from wandb_track_serializers import dump, load, to_artifact

    with tempfile.TemporaryDirectory() as folder:
        dump(Fraction(1, 3), Path(folder, "pickle"))
        is_same = load(Path(folder, "pickle"), trusted=True) == Fraction(1, 3)
        frame = Path(folder, "frame")
        frame.mkdir()
        (frame / "frame.parquet").write_bytes(b"PAR1")
        wrong = [] if is_same else ["a pickle comes back as something else"]
        for does, word in (
            (lambda: load(frame), "pandas"),
            (lambda: to_artifact("x", Fraction(1, 3), others=True), "[wandb]"),
        ):
            try:
                does()
            except Exception as error:
                wrong += [] if word in str(error) else [f"{str(error)!r} does not name {word}"]
            else:
                wrong.append(f"what needs {word} works without it")
        return wrong


def _metaflow_finds_the_decorator() -> list[str]:
    from metaflow.plugins import STEP_DECORATORS

    found = any(decorator.name == "wandb_log" for decorator in STEP_DECORATORS)
    return [] if found else ["Metaflow does not know the decorator wandb_log"]


CASES = {
    "core": _core_lacks_wandb,
    "serializers": _serializers_lack_libraries,
    "metaflow": _metaflow_finds_the_decorator,
}


if __name__ == "__main__":
    found = check(sys.argv[1])
    count = len(list(importlib.metadata.distributions()))
    print("\n".join(found) or f"wandb-track-{sys.argv[1]} stands alone, in an environment of {count} distributions")
    sys.exit(bool(found))
