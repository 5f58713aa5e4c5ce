"""Finds where a distribution's pyproject, source, archives, changelog and tags contradict each other.

noxfile.py calls these functions; each yields a sentence for everything that is wrong.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "wandb-track-"
NAMES = ("core", "serializers", "flyte", "metaflow")


@dataclass(frozen=True)
class Project:
    """One of the four distributions.

    Attributes:
        root: The repository, or what of it was unpacked elsewhere.
        name: The distribution's name without the prefix.
    """

    root: Path
    name: str

    @property
    def distribution(self) -> str:
        """The name on the index."""
        return PREFIX + self.name

    @property
    def folder(self) -> Path:
        """Where its pyproject lies."""
        return self.root / "packages" / self.distribution

    @property
    def source(self) -> Path:
        """Where its importable module lies."""
        return self.folder / "src" / self.distribution.replace("-", "_")

    @cached_property
    def toml(self) -> dict[str, Any]:
        """Its pyproject."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def version(self) -> Version:
        """What it calls itself."""
        (found,) = re.findall(r'__version__ = "(.+)"', (self.source / "__about__.py").read_text())
        return Version(found)

    @property
    def requirements(self) -> list[Requirement]:
        """What it always needs."""
        return [Requirement(line) for line in self.toml["project"]["dependencies"]]

    @property
    def extras(self) -> dict[str, list[Requirement]]:
        """What it needs for more, by the name of the extra."""
        listed = self.toml["project"].get("optional-dependencies", {})
        return {extra: [Requirement(line) for line in lines] for extra, lines in listed.items()}

    @property
    def siblings(self) -> dict[str, Requirement]:
        """Which of the four it requires itself, or for an extra, and in which versions."""
        every = [*self.requirements, *(each for extra in self.extras.values() for each in extra)]
        return {each.name.removeprefix(PREFIX): each for each in every if each.name.startswith(PREFIX)}

    def needed(self, *, extras: bool = True) -> dict[str, Project]:
        """The siblings that come with it, first what others need, and itself last."""
        found: dict[str, Project] = {}
        for sibling, requirement in self.siblings.items():
            if extras or requirement in self.requirements:
                found |= Project(self.root, sibling).needed(extras=False)
        return {**found, self.name: self}


def bounds(project: Project, libraries: Collection[str]) -> dict[str, str]:
    """The lower bounds that a project sets for some libraries, for itself or for an extra."""
    every = [*project.requirements, *(each for extra in project.extras.values() for each in extra)]
    return {each.name: floor_of(each) for each in every if each.name in libraries}


def floor_of(requirement: Requirement) -> str:
    """The lowest version that a requirement allows, as it is written."""
    lowest = [each.version for each in requirement.specifier if each.operator in (">=", "==", "~=")]
    if len(lowest) != 1:
        raise ValueError(f"{requirement} has no single lower bound: write {requirement.name}>=VERSION")
    return lowest[0]


def out_of_range(project: Project) -> Iterator[str]:
    """Say which siblings beside it are not of a version that it allows."""
    for sibling, requirement in project.siblings.items():
        version = Project(project.root, sibling).version
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{project.distribution} requires {requirement}, but beside it lies {version}"


def git(root: Path, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def tags(root: Path, distribution: str) -> dict[Version, str]:
    """The tags of a distribution's releases."""
    found = git(root, "tag", "--list", f"{distribution}-v*").split()
    return {Version(tag.removeprefix(f"{distribution}-v")): tag for tag in found}


def commit_of_floor(project: Project, sibling: str) -> str:
    """The commit at which a sibling is at the lower bound that a project sets.

    That is the lowest release which the bound allows, by its tag. Where none was released yet, it is the commit that
    wrote the bound as it now stands.
    """
    requirement = project.siblings[sibling]
    released = tags(project.root, requirement.name)
    allowed = [version for version in sorted(released) if requirement.specifier.contains(version, prereleases=True)]
    if allowed:
        return released[allowed[0]]
    pyproject = (project.folder / "pyproject.toml").relative_to(project.root)
    tables = project.toml["project"]
    every = tables["dependencies"], *tables.get("optional-dependencies", {}).values()
    line = next(each for lines in every for each in lines if Requirement(each) == requirement)
    changed = git(project.root, "log", "--format=%H", "-S", line, "--", str(pyproject)).split()
    if not changed:
        raise RuntimeError(f"no commit holds {line!r} in {pyproject}: commit it first")
    return changed[0]


def commit_before(project: Project, sibling: str) -> str:
    """The commit of a project's last release; where there is none, the one that set a sibling's lower bound."""
    released = tags(project.root, project.distribution)
    return released[max(released)] if released else commit_of_floor(project, sibling)


def unpack(root: Path, commit: str, name: str, into: Path) -> Project:
    """Lay a package, as it was at a commit, into a folder; the checkout stays as it is."""
    folder = f"packages/{PREFIX}{name}"
    archive = subprocess.run(["git", "-C", str(root), "archive", commit, folder], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(into)
    return Project(into, name)


def unpack_sdist(sdist: Path, name: str, into: Path) -> Project:
    """Lay an unpacked sdist where a package lies in the repository."""
    project = Project(into, name)
    with tarfile.open(sdist) as files:
        files.extractall(into)
    project.folder.parent.mkdir(parents=True, exist_ok=True)
    (into / sdist.name.removesuffix(".tar.gz")).rename(project.folder)
    return project


def files_of(archive: Path) -> set[str]:
    """The files in an sdist, below its one folder, or in a wheel."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def unlike_git(project: Project, sdist: Path, wheel: Path) -> Iterator[str]:
    """Say where an sdist and a wheel lack what git tracks of the package, or hold what it does not track."""
    tracked = {line for line in git(project.folder, "ls-files", ".").splitlines() if not line.endswith(".gitkeep")}
    sources = {path.removeprefix("src/") for path in tracked if path.startswith("src/")}
    info = f"{project.distribution.replace('-', '_')}-{project.version}.dist-info"
    added = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    if {"scripts", "entry-points"} & set(project.toml["project"]):
        added.add(f"{info}/entry_points.txt")
    if "top_level.txt" in tracked:  # see Metaflow's hatch_build.py
        added.add(f"{info}/top_level.txt")
    for archive, expected in ((sdist, {*tracked, "PKG-INFO"}), (wheel, sources | added)):
        found = {name for name in files_of(archive) if not name.endswith((".gitkeep", ".gitignore"))}
        yield from (f"{archive.name} lacks {name}, which git tracks" for name in sorted(expected - found))
        yield from (f"{archive.name} holds {name}, which git does not track" for name in sorted(found - expected))


def package_of(tag: str) -> str:
    """The package that a tag is of; empty where it is of none."""
    matched = re.fullmatch(rf"{PREFIX}({'|'.join(NAMES)})-v\S+", tag)
    return matched[1] if matched else ""


def unfit_for_release(root: Path, tag: str) -> Iterator[str]:
    """Say what keeps a tag from being released: its version, the changelog, and the lower bounds of siblings."""
    name = package_of(tag)
    if not name:
        yield f"the tag is {tag!r}: it has to be {PREFIX}PACKAGE-vVERSION, with one of {', '.join(NAMES)}"
        return
    project = Project(root, name)
    version = tag.removeprefix(f"{project.distribution}-v")
    if version != str(project.version):
        yield f"the tag says {version}, and {project.source.name}/__about__.py says {project.version}"
    heading = re.search(r"^## .*$", (project.folder / "CHANGELOG.md").read_text(), re.MULTILINE)
    if heading is None or not re.fullmatch(rf"## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading[0]):
        shown = heading[0] if heading else "nothing"
        yield f"the changelog of {project.distribution} begins with {shown!r}: it has to be '## {version} (YYYY-MM-DD)'"
    if tag not in git(root, "tag", "--points-at", "HEAD").split():
        yield f"the commit that is checked out does not have the tag: git tag {tag}"
    if git(root, "status", "--porcelain", "--", str(project.folder)):
        yield f"{project.distribution} has changes that are not committed"
    yield from out_of_range(project)
    for requirement in project.siblings.values():
        released = tags(root, requirement.name)
        if not any(requirement.specifier.contains(each, prereleases=True) for each in released):
            yield f"{project.distribution} requires {requirement}, of which nothing is tagged: release that first"
