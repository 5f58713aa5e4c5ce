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
        name: What it is.
        file: The file that is changed, or made.
        pattern: What is replaced there; empty: the end of the file.
        text: What takes its place.
        session: The session that has to find it.
        said: What it has to say.
        tests: Which of the session's tests are enough.
        more: A second file that belongs to it, and its text.
    """

    name: str
    file: str
    pattern: str
    text: str
    session: str
    said: str
    tests: tuple[str, ...] = ()
    more: tuple[str, str] = ("", "")


MISTAKES = (
    Mistake(
        "an import that is not declared",
        f"{CORE}/src/wandb_track_core/planted.py",
        "",
        "import requests\n",
        f"versions(alone-core-{HERE})",
        "planted.py:1 imports requests, which wandb-track-core does not declare",
    ),
    Mistake(
        "a lower bound that is too low",
        f"{FLYTE}/pyproject.toml",
        r'"flytekit>=[\d.]+"',
        '"flytekit>=1.10"',
        "versions(lowest-flyte-3.10)",
        "cannot import name 'ClassDecorator' from 'flytekit.core.utils'",
    ),
    Mistake(
        "a file that the sdist lacks",
        f"{CORE}/pyproject.toml",
        r'"CHANGELOG.md", ',
        "",
        f"versions(dist-core-{HERE})",
        r"\.tar\.gz lacks CHANGELOG.md, which git tracks",
    ),
    Mistake(
        "an example that does not run",
        "docs/offline.md",
        "",
        "\n```python\nassert 1 + 1 == 3\n```\n",
        "gate",
        r"assert 1 \+ 1 == 3",
        ("tests/test_documentation.py", "-k", "test_the_examples_of_a_page_run and offline"),
    ),
    Mistake(
        "a sibling's lower bound that is too low",
        f"{METAFLOW}/src/wandb_track_metaflow/planted.py",
        "",
        "from wandb_track_core.fresh import brand_new\n",
        f"versions(skew-metaflow-old-core-{HERE})",
        "planted.py:1 imports brand_new from wandb_track_core.fresh, .* raise the lower bound",
        more=(f"{CORE}/src/wandb_track_core/fresh.py", "def brand_new(): ...\n"),
    ),
    Mistake(
        "a link that leads nowhere",
        "docs/offline.md",
        "",
        "\n[nowhere](nowhere.md)\n",
        "docs",
        r"offline\.md.*nowhere\.md",
    ),
    Mistake(
        "a wrong type",
        f"{CORE}/src/wandb_track_core/planted.py",
        "",
        'number: int = "text"\n',
        "gate",
        r"planted\.py:1: error: Incompatible types",
        ("tests/test_layers.py",),
    ),
    Mistake(
        "an import that is not used",
        f"{CORE}/src/wandb_track_core/planted.py",
        "",
        "import os\n",
        "lint",
        r"F401.*os",
    ),
)


def plant(mistake: Mistake, folder: Path) -> None:
    """Make the mistake in a clone, and commit it."""
    file = folder / mistake.file
    before = file.read_text() if file.exists() else ""
    after = re.sub(mistake.pattern, mistake.text, before) if mistake.pattern else before + mistake.text
    if after == before:
        raise ValueError(f"{mistake.file} does not hold {mistake.pattern!r}: write what is to be replaced there")
    file.write_text(after)
    second, text = mistake.more
    if second:
        (folder / second).write_text(text)
    git(folder, "add", ".")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", mistake.name)


def git(folder: Path, *arguments: str) -> None:
    """Call git in a folder."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def find(mistake: Mistake, folder: Path) -> str:
    """Run the session: what it said of the mistake, or what it said last, where it did not find it."""
    command = [sys.executable, "-m", "nox", "-s", mistake.session, "--", *mistake.tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    found = re.search(rf"^.*{mistake.said}.*$", output, re.MULTILINE)
    if done.returncode and found:
        return f"found: {found[0].strip()}"
    return f"NOT FOUND, exit status {done.returncode}:\n{output[-3000:]}"


def main() -> int:
    """Plant each mistake, and print what its session said."""
    outcomes = []
    for mistake in MISTAKES:
        if not any(text in mistake.name for text in sys.argv[1:] or [""]):
            continue
        with tempfile.TemporaryDirectory() as name:
            git(ROOT, "clone", "--quiet", str(ROOT), name)
            plant(mistake, Path(name))
            begun = time.monotonic()
            outcomes.append(find(mistake, Path(name)))
        print(f"{mistake.name} (nox -s {mistake.session!r}, {time.monotonic() - begun:.0f} s)")
        print(f"    {outcomes[-1]}", flush=True)
    return not outcomes or any(each.startswith("NOT") for each in outcomes)


if __name__ == "__main__":
    sys.exit(main())
