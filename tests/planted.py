# /// script
# dependencies = ["nox[uv]"]
# ///
"""Plants a mistake for each session of noxfile.py, and shows that the session finds it.

python tests/planted.py [TEXT]

Each mistake is committed to a clone of what is committed here; the session runs there, and has to fail with a line
that names the mistake. With TEXT, only the mistakes in whose name it occurs are planted.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
CORE, METAFLOW = (f"packages/wandb-track-{name}/src/wandb_track_{name}" for name in ("core", "metaflow"))


# What it is; the session that has to find it, with which of its tests are enough; what that has to say; and each file
# that is changed or made: what is replaced there (empty: the end of the file), and what takes its place.
MISTAKES: list[tuple[str, list[str], str, list[tuple[str, str, str]]]] = [
    (
        "an import that is not used",
        ["lint"],
        r"F401.*os",
        [(f"{CORE}/planted.py", "", "import os\n")],
    ),
    (
        "an import that is not declared",
        ["lint"],
        r"quiet\.py.*'requests' imported but missing",
        [(f"{CORE}/quiet.py", "", '\n\ndef f() -> None:\n    """Do."""\n    import requests as requests\n')],
    ),
    (
        "an import of an extra when the package is imported",
        [f"versions(alone-core-{HERE})"],
        "ModuleNotFoundError: No module named 'rich'",
        [(f"{CORE}/quiet.py", "from typing", "import rich\nfrom typing")],
    ),
    (
        "a wrong type",
        ["gate", "tests/test_types.py"],
        r"planted\.py:1: error: Incompatible types",
        [(f"{CORE}/planted.py", "", 'number: int = "text"\n')],
    ),
    (
        "an example that does not run",
        ["gate", "tests/test_documentation.py", "-k", "test_the_examples_of_a_page_run and offline"],
        r"assert 1 \+ 1 == 3",
        [("docs/offline.md", "", "\n```python\nassert 1 + 1 == 3\n```\n")],
    ),
    (
        "a link that leads nowhere",
        ["docs"],
        r"offline\.md.*nowhere\.md",
        [("docs/offline.md", "", "\n[nowhere](nowhere.md)\n")],
    ),
    (
        "a lower bound that is too low",
        ["versions(lowest-flyte-3.10)", "-x"],
        "cannot import name 'ClassDecorator' from 'flytekit.core.utils'",
        [("packages/wandb-track-flyte/pyproject.toml", r'"flytekit>=[\d.]+"', '"flytekit>=1.10"')],
    ),
    (
        "a sibling's lower bound that is too low",
        [f"versions(skew-metaflow-old-core-{HERE})", "-x"],
        "No module named 'wandb_track_core.fresh'",
        [
            (f"{METAFLOW}/__init__.py", "", "from wandb_track_core.fresh import f\n"),
            (f"{CORE}/fresh.py", "", "f = 1\n"),
        ],
    ),
    (
        "a file that the sdist lacks",
        [f"versions(dist-core-{HERE})"],
        r"\.tar\.gz lacks CHANGELOG.md, which git tracks",
        [("packages/wandb-track-core/pyproject.toml", r'"CHANGELOG.md", ', "")],
    ),
]


def plant(name: str, changes: list[tuple[str, str, str]], folder: Path) -> None:
    """Make a mistake in a clone, and commit it."""
    for path, pattern, text in changes:
        file = folder / path
        before = file.read_text() if file.exists() else ""
        after = re.sub(pattern, text, before, count=1) if pattern else before + text
        if after == before:
            raise ValueError(f"{path} does not hold {pattern!r}: write what is to be replaced there")
        file.write_text(after)
    git(folder, "add", ".")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", name)


def git(folder: Path, *arguments: str) -> None:
    """Call git in a folder."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def find(session: list[str], said: str, folder: Path) -> str:
    """Run a session: what it said of the mistake, or what it said last, where it did not find it."""
    command = [sys.executable, "-m", "nox", "-s", session[0], "--", *session[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    found = re.search(rf"^.*{said}.*$", output, re.MULTILINE)
    if done.returncode and found:
        return f"found: {found[0].strip()}"
    return f"NOT FOUND, exit status {done.returncode}:\n{output[-3000:]}"


def main(wanted: str) -> int:
    """Plant each mistake in whose name a text occurs, and print what its session said."""
    outcomes = []
    for name, session, said, changes in MISTAKES:
        if wanted not in name:
            continue
        with tempfile.TemporaryDirectory() as clone:
            git(ROOT, "clone", "--quiet", str(ROOT), clone)
            plant(name, changes, Path(clone))
            begun = time.monotonic()
            outcomes.append(find(session, said, Path(clone)))
        print(f"{name} (nox -s {session[0]!r}, {time.monotonic() - begun:.0f} s)\n    {outcomes[-1]}", flush=True)
    return not outcomes or any(each.startswith("NOT") for each in outcomes)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
