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
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
CORE, FLYTE, METAFLOW = (f"packages/wandb-track-{name}" for name in ("core", "flyte", "metaflow"))


class Mistake(NamedTuple):
    """A mistake, and how it is found.

    Attributes:
        changes: The file that is changed or made, what is replaced there (empty: its end), and what takes its place.
        session: The session that has to find it, and which of its tests are enough.
        said: What it has to say.
    """

    changes: list[tuple[str, str, str]]
    session: list[str]
    said: str


MISTAKES = {
    "an import that is not used": Mistake(
        [(f"{CORE}/src/wandb_track_core/planted.py", "", "import os\n")], ["lint"], r"F401.*os"
    ),
    "an import that is not declared": Mistake(
        [(f"{CORE}/src/wandb_track_core/quiet.py", "", "\n\ndef f() -> None:\n    import requests as requests\n")],
        ["lint"],
        r"quiet\.py.*'requests' imported but missing",
    ),
    "an import of an extra when the package is imported": Mistake(
        [(f"{CORE}/src/wandb_track_core/quiet.py", "from typing", "import rich\nfrom typing")],
        [f"versions(alone-core-{HERE})"],
        "import wandb_track_core fails: .*No module named 'rich'",
    ),
    "a wrong type": Mistake(
        [(f"{CORE}/src/wandb_track_core/planted.py", "", 'number: int = "text"\n')],
        ["gate", "tests/test_types.py"],
        r"planted\.py:1: error: Incompatible types",
    ),
    "an example that does not run": Mistake(
        [("docs/offline.md", "", "\n```python\nassert 1 + 1 == 3\n```\n")],
        ["gate", "tests/test_documentation.py", "-k", "test_the_examples_of_a_page_run and offline"],
        r"assert 1 \+ 1 == 3",
    ),
    "a link that leads nowhere": Mistake(
        [("docs/offline.md", "", "\n[nowhere](nowhere.md)\n")], ["docs"], r"offline\.md.*nowhere\.md"
    ),
    "a lower bound that is too low": Mistake(
        [(f"{FLYTE}/pyproject.toml", r'"flytekit>=[\d.]+"', '"flytekit>=1.10"')],
        ["versions(lowest-flyte-3.10)", "-x"],
        "cannot import name 'ClassDecorator' from 'flytekit.core.utils'",
    ),
    "a sibling's lower bound that is too low": Mistake(
        [
            (f"{METAFLOW}/src/wandb_track_metaflow/__init__.py", "", "from wandb_track_core.fresh import brand_new\n"),
            (f"{CORE}/src/wandb_track_core/fresh.py", "", "def brand_new(): ...\n"),
        ],
        [f"versions(skew-metaflow-old-core-{HERE})", "-x"],
        "No module named 'wandb_track_core.fresh'",
    ),
    "a file that the sdist lacks": Mistake(
        [(f"{CORE}/pyproject.toml", r'"CHANGELOG.md", ', "")],
        [f"versions(dist-core-{HERE})"],
        r"\.tar\.gz lacks CHANGELOG.md, which git tracks",
    ),
}


def plant(name: str, mistake: Mistake, folder: Path) -> None:
    """Make the mistake in a clone, and commit it."""
    for path, pattern, text in mistake.changes:
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


def find(mistake: Mistake, folder: Path) -> str:
    """Run the session: what it said of the mistake, or what it said last, where it did not find it."""
    session, *tests = mistake.session
    command = [sys.executable, "-m", "nox", "-s", session, "--", *tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    found = re.search(rf"^.*{mistake.said}.*$", output, re.MULTILINE)
    if done.returncode and found:
        return f"found: {found[0].strip()}"
    return f"NOT FOUND, exit status {done.returncode}:\n{output[-3000:]}"


def main() -> int:
    """Plant each mistake, and print what its session said."""
    outcomes = []
    for name, mistake in MISTAKES.items():
        if not any(text in name for text in sys.argv[1:] or [""]):
            continue
        with tempfile.TemporaryDirectory() as clone:
            git(ROOT, "clone", "--quiet", str(ROOT), clone)
            plant(name, mistake, Path(clone))
            begun = time.monotonic()
            outcomes.append(find(mistake, Path(clone)))
        print(f"{name} (nox -s {mistake.session[0]!r}, {time.monotonic() - begun:.0f} s)")
        print(f"    {outcomes[-1]}", flush=True)
    return not outcomes or any(each.startswith("NOT") for each in outcomes)


if __name__ == "__main__":
    sys.exit(main())
