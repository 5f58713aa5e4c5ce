"""Tests the four packages together. `nox --list` shows the sessions; `nox` alone runs the quick gate."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "together", "quick"]

ROOT = Path(__file__).parent
PACKAGES = ("core", "serializers", "flyte", "metaflow")
SIBLINGS = {
    "core": ("core",),
    "serializers": ("core", "serializers"),
    "flyte": ("core", "serializers", "flyte"),
    "metaflow": ("core", "serializers", "metaflow"),
}
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def folder(package: str) -> Path:
    """Where a package's project lies."""
    return ROOT / "packages" / f"wandb-track-{package}"


@cache
def project(package: str) -> dict:
    """A package's pyproject."""
    return nox.project.load_toml(folder(package) / "pyproject.toml")


def pythons(package: str) -> list[str]:
    """The Python versions that a package states."""
    return nox.project.python_versions(project(package))


def group(package: str, name: str = "test") -> list[str]:
    """What a dependency group of a package lists."""
    return list(nox.project.dependency_groups(project(package), name))


PYTHONS = pythons("core")
MATRIX = [(version, package) for package in PACKAGES for version in pythons(package)]

_built: dict[str, str] = {}


def wheel(session: nox.Session, package: str) -> str:
    """Build a package's wheel, once in a call of nox."""
    if package not in _built:
        source = ROOT / "testing" if package == "testing" else folder(package)
        out = ROOT / "dist" / "wheels" / package
        shutil.rmtree(out, ignore_errors=True)
        builder = ["uv", "build"] if shutil.which("uv") else [sys.executable, "-m", "pip", "wheel", "--no-deps"]
        options = ["--wheel", "--quiet", "-o"] if builder[0] == "uv" else ["--quiet", "-w"]
        session.run(*builder, *options, str(out), str(source), external=True, silent=True)
        _built[package] = str(next(out.glob("*.whl")))
    return _built[package]


def wheels(session: nox.Session, *packages: str) -> list[str]:
    """The wheels of packages and of the siblings that they need, and of what the tests share."""
    needed = dict.fromkeys(sibling for package in packages for sibling in SIBLINGS[package])
    return [wheel(session, package) for package in (*needed, "testing")]


def torch(session: nox.Session) -> list[str]:
    """The torch to install: a wheel that lies ready for this Python, or nothing.

    Torch from the index brings gigabytes. Where `UV_FIND_LINKS` or `PIP_FIND_LINKS` name a folder with a wheel
    of it, its tests run, too; elsewhere the suite shows that everything works without torch.
    """
    tag = f"cp{str(session.python or THIS_PYTHON).replace('.', '')}"
    for places in (os.environ.get("UV_FIND_LINKS", ""), os.environ.get("PIP_FIND_LINKS", "")):
        for place in places.replace(",", " ").split():
            for found in Path(place).glob(f"torch-*-{tag}-*{platform.machine()}.whl"):
                session.env["UV_FIND_LINKS"] = place
                return [f"torch=={found.name.split('-')[1].split('+')[0]}"]
    return []


def install(session: nox.Session, *packages: str, more: tuple[str, ...] = ()) -> None:
    """Install the wheels of packages, never the checkout, with what their tests need."""
    tests = [requirement for package in packages for requirement in group(package)]
    session.install(*wheels(session, *packages), *tests, *more)
    for package in packages:
        name = f"wandb_track_{package}"
        check = f"import {name}, sysconfig; assert {name}.__file__.startswith(sysconfig.get_path('purelib')), {name}"
        session.run("python", "-c", check, silent=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's checks and its formatting."""
    session.install("ruff>=0.17,<0.18")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy strict over each package's source, one package at a time."""
    checked = [package for package in PACKAGES if THIS_PYTHON in pythons(package)]
    session.install("mypy>=2.4,<3", *wheels(session, *checked), *torch(session))
    for package in checked:
        session.run("mypy", str(folder(package) / "src"))


@nox.session
def together(session: nox.Session) -> None:
    """What crosses packages: the direction of imports, documentation examples, both orchestrators end to end."""
    present = [package for package in PACKAGES if THIS_PYTHON in pythons(package)]
    install(session, *present)
    session.run("pytest", "tests", "testing/tests", *session.posargs)


def run_tests(session: nox.Session, package: str) -> None:
    """Run a package's own tests, from its wheel, in two processes: they wait for others most of the time."""
    install(session, package, more=("pytest-xdist", *torch(session)))
    session.run("pytest", "-n2", "--dist=loadscope", str(folder(package) / "tests"), *session.posargs)


@nox.session
@nox.parametrize("package", [package for package in PACKAGES if THIS_PYTHON in pythons(package)])
def quick(session: nox.Session, package: str) -> None:
    """Each package's own tests on the Python that runs nox; `tests` has all of them."""
    run_tests(session, package)


@nox.session
@nox.parametrize("python,package", MATRIX, ids=[f"{package}-{version}" for version, package in MATRIX])
def tests(session: nox.Session, package: str) -> None:
    """Each package's own tests, from its wheel, on each Python that it states."""
    run_tests(session, package)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on real data: train with the orchestrators, offline, and show each run that was tracked."""
    present = [package for package in ("flyte", "metaflow") if THIS_PYTHON in pythons(package)]
    session.install(*wheels(session, *present), "scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14")
    session.run("python", "examples/demo.py", *present, *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """What becomes of a task when the tracker, its process or its disk fails: the table in docs/faults.md."""
    install(session, "core")
    session.run("python", "benchmarks/faults.py", "--write", "docs/faults.md", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """A thousand tasks in a process and a thousand processes, one in ten of them hurt: nothing is left over."""
    install(session, "core")
    session.run("python", "benchmarks/soak.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What tracking costs beside today's integrations and wandb by hand: the tables in benchmarks/RESULTS.md."""
    more = ("flytekitplugins-wandb", "scikit-learn>=1.3", "fastcore", *torch(session))
    install(session, "flyte", "metaflow", more=more)
    session.run("python", "benchmarks/bench.py", "--write", "benchmarks", *session.posargs)
