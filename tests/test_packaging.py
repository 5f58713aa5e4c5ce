"""What each package declares is what it imports, ships and needs; and a mistake in any of that is found and named."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dists():
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        spec = importlib.util.spec_from_file_location("distributions", ROOT / "tests" / "distributions.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


@pytest.fixture
def project(dists, tmp_path):
    """Give each of a copy's packages by name; what is planted in the copy is nobody else's."""
    shutil.copytree(
        ROOT / "packages", tmp_path / "packages", ignore=shutil.ignore_patterns("__pycache__", ".*", "data")
    )
    return lambda name: dists.Project(tmp_path, name)


def git(root, *arguments):
    who = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.com")
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True)


def commit(root):
    """Commit a copy, as a repository of its own."""
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "as it is")


def replace(path, pattern, by):
    """Change a file at the one place where a pattern is found."""
    changed, count = re.subn(pattern, by, path.read_text(), count=1)
    assert count, f"{path} does not hold {pattern}"
    path.write_text(changed)


@pytest.mark.parametrize("name", ["core", "serializers", "flyte", "metaflow"])
def test_the_siblings_beside_a_package_are_of_versions_that_it_allows(dists, name):
    here = dists.Project(ROOT, name)
    assert list(dists.out_of_range(here)) == []


@pytest.mark.parametrize("name", ["core", "serializers", "flyte", "metaflow"])
def test_every_requirement_states_one_lower_bound(dists, name):
    here = dists.Project(ROOT, name)
    for requirement in [*here.requirements, *(each for extra in here.extras.values() for each in extra)]:
        assert dists.floor_of(requirement)


def test_a_sibling_beside_it_that_a_package_does_not_allow_is_found(dists, project):
    replace(project("core").source / "__about__.py", r'"[\d.]+"', '"99.0"')
    (said,) = dists.out_of_range(project("serializers"))
    assert said.endswith("but beside it lies 99.0")


def test_a_tag_is_the_floor_once_there_is_one(dists, project, tmp_path):
    commit(tmp_path)
    requirement = project("flyte").siblings["core"]
    git(tmp_path, "tag", f"wandb-track-core-v{dists.floor_of(requirement)}")
    git(tmp_path, "tag", "wandb-track-core-v99.0")
    assert dists.commit_of_floor(project("flyte"), "core") == f"wandb-track-core-v{dists.floor_of(requirement)}"


def archives(project, lack=(), hold=()):
    """Write an sdist and a wheel of what git tracks, without some files and with others."""
    folder = project.folder
    stem = f"{project.source.name}-{project.version}"
    sdist, wheel = folder.parent / f"{stem}.tar.gz", folder.parent / f"{stem}-py3-none-any.whl"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with tarfile.open(sdist, "w:gz") as tar, zipfile.ZipFile(wheel, "w") as packed:
        tar.addfile(tarfile.TarInfo(f"{stem}/PKG-INFO"))
        for info in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE"):
            packed.writestr(f"{stem}.dist-info/{info}", "")
        if "scripts" in project.toml["project"]:
            packed.writestr(f"{stem}.dist-info/entry_points.txt", "")
        for path in [*files, *(folder / name for name in hold)]:
            name = path.relative_to(folder).as_posix()
            if name in lack:
                continue
            tar.addfile(tarfile.TarInfo(f"{stem}/{name}"))
            if name.startswith("src/"):
                packed.writestr(name.removeprefix("src/"), "")
    return sdist, wheel


def test_archives_of_what_git_tracks_are_found_right(dists, project, tmp_path):
    commit(tmp_path)
    assert list(dists.unlike_git(project("core"), *archives(project("core")))) == []


def test_a_file_that_an_archive_lacks_or_should_not_hold_is_found(dists, project, tmp_path):
    commit(tmp_path)
    core = project("core")
    sdist, wheel = archives(core, lack={"src/wandb_track_core/py.typed", "tests/test_cli.py"}, hold=["src/notes.txt"])
    assert list(dists.unlike_git(core, sdist, wheel)) == [
        f"{sdist.name} lacks src/wandb_track_core/py.typed, which git tracks",
        f"{sdist.name} lacks tests/test_cli.py, which git tracks",
        f"{sdist.name} holds src/notes.txt, which git does not track",
        f"{wheel.name} lacks wandb_track_core/py.typed, which git tracks",
        f"{wheel.name} holds notes.txt, which git does not track",
    ]


def test_a_release_has_its_version_in_tag_source_and_changelog_and_its_siblings_released(dists, project, tmp_path):
    commit(tmp_path)
    flyte = project("flyte")
    complaints = "\n".join(dists.unfit_for_release(tmp_path, "wandb-track-flyte-v77.0"))
    assert f"the tag says 77.0, and wandb_track_flyte/__about__.py says {flyte.version}" in complaints
    assert "it has to be '## 77.0 (YYYY-MM-DD)'" in complaints
    assert "of which nothing is tagged: release that first" in complaints
    assert "the commit that is checked out does not have the tag: git tag wandb-track-flyte-v77.0" in complaints
    replace(flyte.folder / "CHANGELOG.md", r"## Unreleased", f"## {flyte.version} (2026-01-31)")
    tag = f"wandb-track-flyte-v{flyte.version}"
    assert "wandb-track-flyte has changes that are not committed" in list(dists.unfit_for_release(tmp_path, tag))
    git(tmp_path, "commit", "-q", "-a", "-m", "the release")
    git(tmp_path, "tag", tag)
    for requirement in flyte.siblings.values():
        git(tmp_path, "tag", f"{requirement.name}-v{dists.floor_of(requirement)}")
    assert list(dists.unfit_for_release(tmp_path, tag)) == []


def test_a_tag_of_no_package_is_refused(dists):
    (said,) = dists.unfit_for_release(ROOT, "v0.1.0")
    assert "the tag is 'v0.1.0': it has to be wandb-track-PACKAGE-vVERSION" in said


def test_ci_calls_sessions_that_there_are_on_all_pythons_that_packages_state(dists):
    noxfile = (ROOT / "noxfile.py").read_text()
    defined = set(re.findall(r"^def (\w+)\(session", noxfile, re.MULTILINE))
    defined |= {path.stem for path in ROOT.glob("tests/*.py") if path.read_text().startswith("# /// script")}
    kinds = re.findall(r'^    \*\(\("(\w+)", ', noxfile, re.MULTILINE)
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    called = [name.strip() for listed in re.findall(r"session: \[(.+)\]", ci) for name in listed.split(",")]
    chosen = [name.strip() for listed in re.findall(r"kind: \[(.+)\]", ci) for name in listed.split(",")]
    assert called
    assert set(called) <= defined
    assert sorted(set(chosen)) == sorted(kinds)
    stated = {
        entry.rpartition(" ")[2]
        for name in dists.NAMES
        for entry in dists.Project(ROOT, name).toml["project"]["classifiers"]
        if re.search(r":: \d\.\d+$", entry)
    }
    assert set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.+)\]", ci)[1])) == stated


def test_metaflow_finds_the_decorator_beside_another_extension(tmp_path):
    """Where one extension in a folder has a `top_level.txt`, Metaflow finds only those in it that have one, too."""
    build = "import sys; from hatchling.cli import hatchling; sys.exit(hatchling())"
    folder = ROOT / "packages" / "wandb-track-metaflow"
    subprocess.run([sys.executable, "-c", build, "build", "-t", "wheel", "-d", tmp_path], cwd=folder, check=True)
    site = tmp_path / "site"
    zipfile.ZipFile(next(tmp_path.glob("*.whl"))).extractall(site)
    files = {
        "METADATA": "Name: other\nVersion: 1.0\n",
        "RECORD": "metaflow_extensions/other/plugins/cards/card.html,,\n",
        "top_level.txt": "metaflow_extensions\n",
    }
    (site / "other-1.0.dist-info").mkdir()
    for name, text in files.items():
        (site / "other-1.0.dist-info" / name).write_text(text)
    program = "from metaflow.plugins import STEP_DECORATORS; print(*(each.name for each in STEP_DECORATORS))"
    env = {**os.environ, "PYTHONPATH": str(site), "METAFLOW_EXTENSIONS_SEARCH_DIRS": str(site)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert "wandb_log" in done.stdout.split()


def test_opening_a_run_without_the_client_says_what_to_install(tmp_path):
    """An environment without the client cannot be had inside of these tests: a finder refuses it in its place."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "class WithoutClient:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'wandb':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, WithoutClient)\n"
        "from wandb_track_core import TaskIdentity, TrackedRun\n"
        "with TrackedRun(TaskIdentity('any', 'task'), project='any') as run:\n"
        "    run.log({'a': 1})\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "wandb-track: this task was not tracked" in done.stderr
    assert "wandb is not installed: pip install 'wandb>=" in done.stderr
