"""Tests the four packages together. `nox --list` shows the sessions; `nox` alone runs the gate."""

from __future__ import annotations

import ast
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests"))

import distributions as dists  # noqa: E402 # what the sessions check lies with its own tests

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = ["lint", "gate"]

# The tests start processes by the hundred. Where Python writes no bytecode, each would compile all that it imports.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")

PACKAGES = {name: dists.Project(ROOT, name) for name in dists.NAMES}
TESTING = ROOT / "testing"
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = {name: nox.project.python_versions(project.toml) for name, project in PACKAGES.items()}
PRESENT = [name for name in PACKAGES if THIS_PYTHON in PYTHONS[name]]
OLDEST, NEWEST = ({name: pythons[place] for name, pythons in PYTHONS.items()} for place in (0, -1))
EDGES = [(name, sibling) for name, project in PACKAGES.items() for sibling in project.siblings]

# The oldest is the lower bound in pyproject, the newest what the index has: only what lies between is stated.
MIDDLE = {"flytekit": "1.16.12", "metaflow": "2.19.10", "wandb": "0.30.0"}
BOUNDS = {name: dists.bounds(project, MIDDLE) for name, project in PACKAGES.items()}
TRIED = [
    (name, library, age)
    for name, floors in BOUNDS.items()
    for library, age in [*((each, age) for each in floors for age in ("oldest", "middle")), ("all", "newest")]
    if age != "middle" or dists.Version(MIDDLE[library]) > dists.Version(floors[library])
]

# Kind, package and what it is tried beside, on which Python: each runs the tests of a package from its wheel.
VERSIONS = [
    *(("tests", name, "", python) for name in PACKAGES for python in PYTHONS[name]),
    *(("alone", name, "", python) for name in PACKAGES for python in PYTHONS[name]),
    *(("lowest", name, "", OLDEST[name]) for name in PACKAGES),
    *(("latest", name, "", NEWEST[name]) for name in PACKAGES),
    *(("orchestrators", name, f"{library} {age}", THIS_PYTHON) for name, library, age in TRIED),
    *(("skew", name, f"{side} {sibling}", THIS_PYTHON) for side in ("old", "new") for name, sibling in EDGES),
    *(("dist", name, "", THIS_PYTHON) for name in PRESENT),
]
IDS = ["-".join([*" ".join(filter(None, each[:3])).split(), each[3]]) for each in VERSIONS]

# Programs that are sessions of their own: their inline metadata (PEP 723) says what each needs, and its arguments.
PROGRAMS = {
    path.stem.replace("_", "-"): path
    for folder in ("benchmarks", "examples", "tests", "packages/*/tests")
    for path in sorted(ROOT.glob(f"{folder}/*.py"))
    if nox.project.load_toml(path, missing_ok=True)
}
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/requirements.txt"))
FULL = (
    "browser",
    "frameworks",
    *(f"examples({name})" for name in EXAMPLES),  # nox takes the first alone where their common name is given
    "exchange",
    "show-table",
    "future",
    "moved-names",
    "metaflow-suite",
    "production",
)

WHEELS = tempfile.TemporaryDirectory(prefix="wandb-track-wheels-")  # of this call of nox alone
RUNNERS = ("pytest-xdist>=3.7", "coverage>=7.10")
# Most tests wait for processes of their own: more workers than processors. Modules run in the order that is given.
WORKERS = (f"-n{(os.cpu_count() or 2) + 2}", "--dist=loadscope", "--no-loadscope-reorder")
SUITES = [  # what takes longest begins first, so that at the end no worker waits for another
    *(str(PACKAGES[name].folder / "tests") for name in reversed(PRESENT)),
    "tests",
    "testing/tests",
    "--ignore=tests/frameworks",  # a session of its own, with what it needs
]
BESIDE = ("hatchling>=1.26", "mypy>=2.4,<3", "scikit-learn>=1.3")  # what tests that cross packages need

_built: dict[Path, str] = {}


def build(session: nox.Session, source: Path, into: Path, *options: str) -> None:
    """Build a project's archives into a new folder."""
    shutil.rmtree(into, ignore_errors=True)
    session.run("uv", "build", *options, "--quiet", "-o", str(into), str(source), external=True, silent=True)


def scratch(session: nox.Session) -> Path:
    """An empty folder of a session's own. Nox's becomes the tests' TMPDIR, too deep down for their sockets."""
    folder = Path(session.virtualenv.location).resolve() / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def wheel(session: nox.Session, source: Path) -> str:
    """Build a project's wheel, once in a call of nox."""
    if source not in _built:
        into = Path(WHEELS.name) / str(len(_built))
        build(session, source, into, "--wheel")
        _built[source] = str(next(into.glob("*.whl")))
    return _built[source]


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


def extras(session: nox.Session, project: dists.Project) -> list[str]:
    """The extras of a project that can be had: those with torch only where torch is."""
    has_torch = bool(torch(session))
    return [name for name, needs in project.extras.items() if has_torch or "torch" not in {each.name for each in needs}]


def install(
    session: nox.Session, *packages: str, more: Iterable[str] = (), instead: Iterable[dists.Project] = ()
) -> None:
    """Install the wheels of packages, never the checkout, with what their tests need.

    Args:
        session: The session.
        packages: Those that are tested, with their extras. Others come only where one of these declares them.
        more: Further requirements, and options of the installer.
        instead: Packages as they were, or as they were unpacked elsewhere, to stand in the place of the checkout's.
    """
    ours = {name: each for package in packages for name, each in PACKAGES[package].needed().items()}
    ours |= {project.name: project for project in instead}
    given = []
    for name, project in ours.items():
        chosen = ",".join(extras(session, project)) if name in packages else ""
        given.append(f"{project.distribution}[{chosen}] @ {Path(wheel(session, project.folder)).as_uri()}")
        given += nox.project.dependency_groups(project.toml, "test") if name in packages else ()
    fresh = [f"--reinstall-package={project.distribution}" for project in ours.values()]
    session.install(*fresh, *given, wheel(session, TESTING), *RUNNERS, *torch(session), *more)
    for project in ours.values():
        name = project.source.name
        check = f"import {name}, sysconfig; assert {name}.__file__.startswith(sysconfig.get_path('purelib')), {name}"
        session.run("python", "-c", check, silent=True)


def install_lower_bounds(session: nox.Session, project: dists.Project) -> None:
    """Install what a package's pyproject needs, each in its lowest version: in a wheel they would count as indirect."""
    pyproject = project.folder / "pyproject.toml"
    links = [f"--find-links={Path(wheel(session, each.folder)).parent}" for each in project.needed().values()]
    options = [f"--extra={extra}" for extra in extras(session, project)] + [f"--group={pyproject}:test", *links]
    session.install("--upgrade", "--resolution=lowest-direct", "-r", str(pyproject), *options)


def refuse(session: nox.Session, complaints: Iterable[str]) -> None:
    """End a session with everything that is wrong; go on where nothing is."""
    if found := list(complaints):
        session.error("\n".join(["", *found]))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, and that each package declares what it imports."""
    session.install("ruff>=0.17,<0.18", "deptry>=0.25")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    for project in PACKAGES.values():
        with session.chdir(project.folder):
            session.run("deptry", "src", silent=True)


@nox.session
def gate(session: nox.Session) -> None:
    """The gate: types, and every test that is not marked as slow, with coverage. Arguments, if any, choose tests."""
    began = time.monotonic()
    install(session, *PRESENT, more=BESIDE)
    session.log("the environment is there after %.0f s", time.monotonic() - began)
    if session.posargs:
        session.run("pytest", *WORKERS, "-m", "not slow", *session.posargs)
        return
    session.env["COVERAGE_FILE"] = str(scratch(session) / "coverage")
    session.run("coverage", "run", "-m", "pytest", *WORKERS, "-m", "not slow", "--durations=15", *SUITES)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")
    session.log("the gate took %.0f s", time.monotonic() - began)


@nox.session
def full(session: nox.Session) -> None:
    """What the gate leaves out: slow tests, then frameworks, examples, and every proof."""
    for name in FULL:
        session.notify(name)
    install(session, *PRESENT, more=(*BESIDE, "gcp-storage-emulator", "gcsfs", "adlfs"))  # stores beside S3
    session.run("pytest", *WORKERS, "-m", "slow", *(session.posargs or SUITES))


@nox.session
@nox.parametrize(
    "kind,package,beside,python",
    [nox.param(*each, id=name, tags=[each[0]]) for each, name in zip(VERSIONS, IDS, strict=True)],
)
def versions(session: nox.Session, kind: str, package: str, beside: str) -> None:
    """Each package's tests from its wheel, on each Python and with old and new versions of what it needs.

    `nox -t lowest` runs one kind: tests, alone, lowest, latest, orchestrators, skew, dist.
    """
    project = PACKAGES[package]
    more: list[str] = []
    instead: list[dists.Project] = []
    if kind == "alone":
        alone(session, project)
        return
    if kind == "dist":
        instead = [project := archives(session, project)]
    elif kind == "lowest":
        install_lower_bounds(session, project)
    elif kind == "latest":
        more = ["--upgrade"]
    elif kind == "orchestrators":
        library, age = beside.split()
        floors = {**BOUNDS[package], **(MIDDLE if age == "middle" else {})}
        newest = [f"--upgrade-package={each}" for each in BOUNDS[package]]
        more = newest if age == "newest" else [f"{library}=={floors[library]}"]
    elif kind == "skew":
        side, sibling = beside.split()
        if side == "old":  # the sibling at its lower bound
            instead = [dists.unpack(ROOT, dists.commit_of_floor(project, sibling), sibling, scratch(session))]
        else:  # the package as it was at its last release, with today's sibling
            project = dists.unpack(ROOT, dists.commit_before(project, sibling), package, scratch(session))
            instead = [project]
    install(session, package, more=more, instead=instead)
    session.chdir(project.folder)  # where other processes find the tests' own modules, too
    options = [f"--config-file={ROOT / 'pyproject.toml'}", "--rootdir=."]
    session.run("pytest", *WORKERS, *options, "tests", *session.posargs)


def alone(session: nox.Session, project: dists.Project) -> None:
    """Install a wheel with only what it declares: it imports, says what it lacks, and brings nothing else."""
    ours = project.needed(extras=False).values()
    fresh = [f"--reinstall-package={each.distribution}" for each in ours]
    session.install(*fresh, *(wheel(session, each.folder) for each in ours), "pytest>=8")
    session.run("pytest", "--noconftest", "tests/test_alone.py", env={"ALONE": project.name})


def archives(session: nox.Session, project: dists.Project) -> dists.Project:
    """Build sdist and wheel: what git tracks and nothing else, the same bytes twice. Returns the unpacked sdist."""
    into, elsewhere = ROOT / "dist" / project.name, scratch(session)
    shutil.copytree(project.folder, elsewhere / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", elsewhere / "copy")  # hatch heeds and ships the one it finds, here or above
    session.env["SOURCE_DATE_EPOCH"] = dists.git(ROOT, "log", "-1", "--format=%ct").strip()
    build(session, project.folder, into)
    build(session, elsewhere / "copy", elsewhere / "again")
    sdist, built = next(into.glob("*.tar.gz")), next(into.glob("*.whl"))
    refuse(session, dists.unlike_git(project, sdist, built))
    session.run("diff", "--recursive", str(into), str(elsewhere / "again"), external=True)
    session.install("twine>=6")
    session.run("twine", "check", "--strict", str(sdist), str(built))
    return dists.unpack_sdist(sdist, project.name, elsewhere)


@nox.session
def exchange(session: nox.Session) -> None:
    """Files that today's serializers write are read by those at the lower bound of Metaflow's package, and back."""
    today, into = PACKAGES["serializers"], scratch(session)
    old = dists.unpack(ROOT, dists.commit_of_floor(PACKAGES["metaflow"], "serializers"), "serializers", into)
    for writer, reader in ((today, old), (old, today)):
        tests = into / f"written by {'today' if writer is today else 'old'}"
        shutil.copytree(today.folder / "tests", tests, ignore=shutil.ignore_patterns("data"))
        install(session, "serializers", instead=[writer])
        session.run("python", str(tests / "make_data.py"), "v1-now")
        install(session, "serializers", instead=[reader])
        session.run("pytest", str(tests / "test_versions.py"), "-k", "not every_version", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Check the tag given after `--` against version, changelog and siblings; build its package into dist/release."""
    if len(session.posargs) != 1:
        session.error("name the tag: nox -s release -- wandb-track-core-v0.1.0")
    (tag,) = session.posargs
    refuse(session, dists.unfit_for_release(ROOT, tag))
    project = PACKAGES[dists.package_of(tag)]
    committed = dists.unpack(ROOT, "HEAD", project.name, scratch(session))
    build(session, committed.folder, ROOT / "dist" / "release")
    archives = sorted(map(str, (ROOT / "dist" / "release").glob("*.[tw]*")))
    session.install("twine>=6")
    session.run("twine", "check", "--strict", *archives)
    session.log("fit for release: " + ", ".join(archives))


@nox.session
@nox.parametrize("name", EXAMPLES, ids=EXAMPLES)
def examples(session: nox.Session, name: str) -> None:
    """Examples that bring requirements of their own: other orchestrators, on wandb-track-core alone."""
    ours = [wheel(session, PACKAGES["core"].folder), wheel(session, TESTING)]
    fresh = "--reinstall-package=wandb-track-core"
    session.install(fresh, *ours, "-r", f"examples/{name}/requirements.txt", "pytest>=8", *RUNNERS)
    session.run("pytest", *WORKERS, "--dist=load", f"examples/{name}", *session.posargs)


@nox.session
def frameworks(session: nox.Session) -> None:
    """Frameworks that log by themselves, inside tracked tasks of both orchestrators."""
    plain = ("xgboost>=2", "scikit-learn>=1.3", "lightgbm>=4", "optuna-integration>=4")
    of_torch = (
        "lightning>=2.2",
        "transformers>=4.40",
        "accelerate>=0.30",
        "tensorboard>=2.15",
        "stable-baselines3>=2.3",
    )
    install(session, *PRESENT, more=(*plain, *(of_torch if torch(session) else ())))
    session.run("pytest", *WORKERS, "tests/frameworks", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Report and card in a real browser; pictures of them are kept in build/screenshots."""
    kept = ROOT / "build" / "screenshots"
    shutil.rmtree(kept, ignore_errors=True)
    install(session, "core", more=["playwright>=1.45"])  # it drives Debian's Chromium, or its own
    tests = str(PACKAGES["core"].folder / "tests" / "test_report.py")
    session.run("pytest", tests, *session.posargs, env={"WANDB_TRACK_SCREENSHOTS": str(kept)})
    if not kept.exists():
        session.skip("there is no browser: the lines above say why")


def program(name: str, path: Path) -> None:
    """Make a session of a program."""
    metadata = nox.project.load_toml(path)
    options = metadata.get("tool", {}).get("nox", {})
    packages = [name for name in PRESENT if dists.PREFIX + name in metadata["dependencies"]]
    more = [each for each in metadata["dependencies"] if not each.startswith(dists.PREFIX)]

    def run(session: nox.Session) -> None:
        install(session, *packages, more=more)
        session.run("python", str(path), *(session.posargs or options.get("arguments", ())))
        if without := options.get("without"):
            session.run("uv", "pip", "uninstall", "--quiet", *without, external=True)
            session.run("python", str(path), *session.posargs)

    run.__doc__ = ast.get_docstring(ast.parse(path.read_text()))
    nox.session(run, name=name)


for _name, _path in PROGRAMS.items():
    program(_name, _path)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation: built strictly, every link and anchor checked."""
    session.install("mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1,<2", "ruff>=0.17,<0.18")
    session.run("mkdocs", "build", "--strict", "-d", session.create_tmp(), env={"NO_MKDOCS_2_WARNING": "1"})
