"""Every example of the documentation runs, and what it says of commands, files and messages is so.

Of a page (README.md, docs/*.md, packages/*/README.md) the Python blocks are run in their order as one program, offline,
in a folder of their own. A comment before a block says otherwise:

<!-- file: NAME -->   the block is a file of this name, which a console block runs: `python NAME`, `pyflyte run NAME`
<!-- fragment -->     the block only shows a part of a program, and is compiled

A package's README with a `test_readme.py` in the package's own tests is run there.
"""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wandb_track_testing.offline import find_runs
from wandb_track_testing.plugin import command_line, isolated_env

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("packages/*/README.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass
class Page:
    """The examples of a page.

    Attributes:
        program: The Python blocks that are run.
        files: Blocks that are files, by name.
        fragments: Blocks that are compiled.
        commands: Lines of console blocks.
    """

    program: str = ""
    files: dict[str, str] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> "Page":
        page = cls()
        for block in BLOCK.finditer(path.read_text()):
            mark, text = block["mark"] or "", block["text"]
            if block["language"] in ("console", "sh", "bash", "shell"):
                page.commands += text.splitlines()
            elif block["language"] == "python" and mark == "fragment":
                page.fragments.append(text)
            elif block["language"] == "python" and mark.startswith("file: "):
                page.files[mark.removeprefix("file: ")] = text
            elif block["language"] == "python":
                page.program += text
        return page


def relative(path):
    return path.relative_to(ROOT).as_posix()


def needed(page):
    """The libraries that the examples of a page import."""
    sources = [page.program, *page.files.values()]
    trees = [node for source in sources for node in ast.walk(ast.parse(source))]
    names = {alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in trees if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


def run(command, folder):
    env = isolated_env(folder, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_the_examples_of_a_page_run(path, tmp_path):
    page = Page.of(path)
    if (path.parent / "tests" / "test_readme.py").exists():
        pytest.skip("the package's own tests run it")
    missing = [name for name in needed(page) if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    check(page, tmp_path)


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("```python\nassert 1 == 2\n```", AssertionError),
        ("<!-- fragment -->\n```python\nfor x in:\n```", SyntaxError),
        ("<!-- file: flow.py -->\n```python\nprint(1)\n```", AssertionError),
        ("```console\npython flow.py run\n```", AssertionError),
    ],
)
def test_a_planted_example_that_is_broken_is_found(tmp_path, block, error):
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{block}\n")
    with pytest.raises(error):
        check(Page.of(page), tmp_path)


def check(page, folder):
    """Run all that a page shows, in a folder."""
    for name, text in page.files.items():
        (folder / name).write_text(text)
    for number, text in enumerate(page.fragments):
        compile(text, f"fragment {number}", "exec")
    if page.program:
        (folder / "program.py").write_text(page.program)
        run([sys.executable, "program.py"], folder)
    run_files(page, folder)


def run_files(page, folder):
    """Run the files of a page as its console blocks say; something is tracked, and all ends well."""
    started = set()
    for line in page.commands:
        command = shlex.split(line)
        if command[0] not in ("python", "pyflyte"):
            continue
        (name,) = (word for word in command if word.endswith(".py"))
        assert name in page.files, f"{name} is no file of this page"
        run(command, folder)
        assert {tracked.exit_code for tracked in find_runs(folder)} == {0}
        started.add(name)
    assert started == {*page.files}, "a file of this page is never run"


def test_an_orchestrator_takes_15_lines():
    page = Page.of(ROOT / "README.md")
    assert len(page.files) == 2
    for example in page.files.values():
        assert len([line for line in example.splitlines() if line.strip()]) <= 15


COMMANDS = [(path, line) for path in PAGES for line in Page.of(path).commands if line.startswith("wandb-track")]


def help_of(command):
    arguments = [sys.executable, "-c", command_line, *command, "--help"]
    return subprocess.run(arguments, capture_output=True, text=True, check=False).stdout


def test_commands_are_those_of_the_command_line():
    """Each `wandb-track` line uses a command, and options, that its `--help` shows."""
    assert COMMANDS
    helps = {name: help_of([name]) for name in {shlex.split(line)[1] for _, line in COMMANDS}}
    for path, line in COMMANDS:
        _, name, *arguments = shlex.split(line)
        assert f"wandb-track {name}" in helps[name], f"{relative(path)}: {line}"
        for option in (argument for argument in arguments if argument.startswith("-")):
            assert re.search(rf"(^|[\s,\[|]){option}\b", helps[name]), f"{relative(path)}: {line}: {option}"


def test_other_console_lines_are_known():
    known = ("wandb-track ", "python ", "pyflyte ")
    lines = {line for path in PAGES for line in Page.of(path).commands if not line.startswith(known)}
    assert lines == set()


def projects():
    """Name and extras of each distribution."""
    found = {}
    for path in ROOT.glob("packages/*/pyproject.toml"):
        text = path.read_text()
        _, _, table = text.partition("[project.optional-dependencies]\n")
        extras = re.findall(r"^([\w-]+) = \[", table.partition("\n\n")[0], re.MULTILINE)
        found[path.parent.name] = {*extras}
    return found


def test_what_is_to_be_installed_exists():
    """Each `pip install wandb-track-...[extra]` names a distribution and extras of ours."""
    known = projects()
    said = [found for path in PAGES for found in re.findall(r"(wandb-track-[a-z]+)\[([\w,]+)\]", path.read_text())]
    assert said
    for name, extras in said:
        assert {*extras.split(",")} <= known[name], f"{name}[{extras}]"


def anchors(path):
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_relative_links_lead_somewhere(path):
    for link in LINK.finditer(re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)):
        target, _, anchor = link["target"].partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        place = (path.parent / target).resolve() if target else path
        assert place.exists(), link[0]
        included = re.findall(r'^--8<-- "(.+)"$', place.read_text(), re.MULTILINE) if place.suffix == ".md" else []
        known = set().union(*(anchors(part) for part in (place, *(ROOT / name for name in included)) if anchor))
        assert not anchor or anchor in known, link[0]


def test_the_picture_of_the_demos_report_is_there_and_small():
    """`nox -s picture` makes it."""
    for page, target in (("README.md", "docs/images/report.png"), ("docs/index.md", "images/report.png")):
        assert f"]({target})" in (ROOT / page).read_text()
    picture = (ROOT / "docs" / "images" / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000


def test_messages_that_troubleshooting_explains_are_those_of_the_packages():
    trees = [ast.parse(path.read_text()) for path in ROOT.glob("packages/*/src/**/*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 30
    # "{argument} is missing" is put together of two parts.
    parts = [message.removeprefix(name) for message in messages for name in [message.partition(" is missing")[0]]]
    wanted = {part if part.strip() == "is missing" else message for part, message in zip(parts, messages, strict=True)}
    assert [text for text in wanted if not any(text.strip() in known for known in texts)] == []


def docstrings():
    for path in sorted(ROOT.glob("packages/*/src/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for block in re.findall(r"```python\n(.*?)```", ast.get_docstring(node) or "", re.DOTALL):
                    yield path, block


def test_examples_in_docstrings_compile():
    blocks = list(docstrings())
    assert blocks
    for path, block in blocks:
        indent = min(len(line) - len(line.lstrip()) for line in block.splitlines() if line.strip())
        compile("\n".join(line[indent:] for line in block.splitlines()), relative(path), "exec")
