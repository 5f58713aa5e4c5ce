"""Tests the four packages together. `nox --list` shows the sessions; `nox` alone runs the quick gate."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
nox.options.sessions = ["lint", "types", "together", "quick"]

# The tests start processes by the hundred. Where Python writes no bytecode, each would compile all that it imports.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")

PACKAGES = {name: dists.Project(ROOT, name) for name in dists.NAMES}
TESTING = ROOT / "testing"
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = {name: nox.project.python_versions(project.toml) for name, project in PACKAGES.items()}
PRESENT = [name for name in PACKAGES if THIS_PYTHON in PYTHONS[name]]
MATRIX = [(python, name) for name in PACKAGES for python in PYTHONS[name]]
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

WHEELS = tempfile.TemporaryDirectory(prefix="wandb-track-wheels-")  # of this call of nox alone
RUNNERS = ("pytest-xdist",)
IN_TWO = ("-n3", "--dist=loadscope")  # most tests wait for processes of their own

_built: dict[Path, str] = {}
_rows: list[tuple[str, str, str]] = []


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


@contextmanager
def row(session: nox.Session, package: str, beside: str = "") -> Iterator[None]:
    """Note a run of a package's tests for the table that the session `summary` prints when all are through."""
    session.notify("summary")
    began, outcome = time.monotonic(), "FAILED"
    try:
        yield
        outcome = "passed"
    finally:
        said = f"{outcome} {time.monotonic() - began:.0f} s"
        _rows.append((f"{package} {beside}".strip(), str(session.python or THIS_PYTHON), said))


def run_tests(session: nox.Session, project: dists.Project) -> None:
    """Run a package's own tests in two processes: they wait for others most of the time."""
    session.run("pytest", *IN_TWO, str(project.folder / "tests"), *session.posargs)


def lower_bounds(session: nox.Session, project: dists.Project) -> Path:
    """Resolve the lower bounds of a package's pyproject, as constraints: in a wheel they would count as indirect."""
    constraints = scratch(session) / "lowest.txt"
    links = [f"--find-links={Path(wheel(session, each.folder)).parent}" for each in project.needed().values()]
    pyproject = str(project.folder / "pyproject.toml")
    options = [f"--extra={extra}" for extra in extras(session, project)]
    options += ["--group", f"{pyproject}:test", "--python-version", str(session.python), "--no-annotate", "--no-header"]
    resolve = ("uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", "-o", str(constraints))
    session.run(*resolve, *options, *links, pyproject, external=True, silent=True)
    lines = constraints.read_text().splitlines()
    constraints.write_text("\n".join(line for line in lines if not line.startswith(dists.PREFIX)) + "\n")
    return constraints


def refuse(session: nox.Session, complaints: Iterable[str]) -> None:
    """End a session with everything that is wrong; go on where nothing is."""
    if found := list(complaints):
        session.error("\n".join(["", *found]))


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's checks and its formatting."""
    session.install("ruff>=0.17,<0.18")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy strict over each package's source, one package at a time."""
    session.env["UV_COMPILE_BYTECODE"] = "0"  # nothing of it is run
    install(session, *PRESENT, more=("mypy>=2.4,<3",))
    for package in PRESENT:
        session.run("mypy", str(PACKAGES[package].folder / "src"))


@nox.session
def together(session: nox.Session) -> None:
    """What crosses packages: the direction of imports, documentation examples, both orchestrators end to end."""
    examples = ("luigi>=3.6", "hatchling>=1.26", "scikit-learn>=1.3")
    install(session, *PRESENT, more=examples)
    session.run("pytest", *IN_TWO, "tests", "testing/tests", *session.posargs)


@nox.session
def future(session: nox.Session) -> None:
    """Private names of the client, and of Metaflow, missing or of another form, one at a time: each result stays."""
    install(session, *PRESENT, more=("scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"))
    session.run("python", "tests/future.py", *session.posargs)
    if not session.posargs:
        session.run("python", str(PACKAGES["metaflow"].folder / "tests" / "moved_names.py"))


@nox.session(name="metaflow-suite")
def metaflow_suite(session: nox.Session) -> None:
    """Metaflow's own test suite, whose folder is given, with and without tracking: the verdicts are the same."""
    if not session.posargs:
        session.skip(
            "give the folder of Metaflow's own test suite: nox -s metaflow-suite -- PATH/TO/metaflow/test/core"
        )
    install(session, "metaflow", more=("scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"))
    session.run("python", str(PACKAGES["metaflow"].folder / "tests" / "metaflow_suite.py"), *session.posargs)


@nox.session
def production(session: nox.Session) -> None:
    """Metaflow with an S3-speaking server and, where PostgreSQL and its service can be installed, these."""
    install(
        session,
        "metaflow",
        more=("moto[server]>=5", "boto3>=1.34.63", "scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"),
    )
    session.run("python", str(PACKAGES["metaflow"].folder / "tests" / "production.py"), *session.posargs)


@nox.session
def live(session: nox.Session) -> None:
    """Both orchestrators against a real W&B server: with WANDB_API_KEY, WANDB_ENTITY and WANDB_PROJECT set."""
    if missing := [name for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT") if not os.environ.get(name)]:
        session.skip(f"there is no server to write to: {', '.join(missing)} not set")
    install(session, *PRESENT, more=("scikit-learn>=1.3",))
    session.run("pytest", "tests/test_live.py", *session.posargs, env={"WANDB_TRACK_LIVE": "1"})


@nox.session
@nox.parametrize("package", PRESENT, ids=PRESENT)
def quick(session: nox.Session, package: str) -> None:
    """Each package's own tests on the Python that runs nox; `tests` has all of them."""
    with row(session, package):
        install(session, package)
        run_tests(session, PACKAGES[package])


@nox.session
@nox.parametrize("python,package", MATRIX, ids=[f"{package}-{python}" for python, package in MATRIX])
def tests(session: nox.Session, package: str) -> None:
    """Each package's own tests, from its wheel, on each Python that it states."""
    with row(session, package):
        install(session, package)
        run_tests(session, PACKAGES[package])


@nox.session
@nox.parametrize("python,package", [(PYTHONS[name][0], name) for name in PACKAGES], ids=list(PACKAGES))
def lowest(session: nox.Session, package: str) -> None:
    """Each package's tests with the lower bound of everything that its pyproject names, on its oldest Python."""
    with row(session, package):
        install(session, package, more=("-c", str(lower_bounds(session, PACKAGES[package]))))
        run_tests(session, PACKAGES[package])


@nox.session
@nox.parametrize("python,package", [(PYTHONS[name][-1], name) for name in PACKAGES], ids=list(PACKAGES))
def latest(session: nox.Session, package: str) -> None:
    """Each package's tests with the newest of everything, on its newest Python."""
    with row(session, package):
        install(session, package, more=("--upgrade",))
        run_tests(session, PACKAGES[package])


@nox.session
@nox.parametrize("package,library,age", TRIED, ids=["-".join(each) for each in TRIED])
def orchestrators(session: nox.Session, package: str, library: str, age: str) -> None:
    """Each package's tests with the oldest, a middle and the newest flytekit, Metaflow and wandb."""
    floors = BOUNDS[package]
    if age == "newest":
        more = [f"--upgrade-package={each}" for each in floors]
    else:
        more = [f"{library}=={(floors if age == 'oldest' else MIDDLE)[library]}"]
    with row(session, package, f"{library} {age}"):
        install(session, package, more=more)
        run_tests(session, PACKAGES[package])


@nox.session
@nox.parametrize("package,sibling", EDGES, ids=["-".join(each) for each in EDGES])
@nox.parametrize("old", ["sibling", "package"], ids=["old-sibling", "old-package"])
def skew(session: nox.Session, package: str, sibling: str, old: str) -> None:
    """Each package's tests with a sibling at its lower bound, and those of its last release with today's sibling."""
    project = PACKAGES[package]
    into = scratch(session)
    with row(session, package, f"{'with old' if old == 'sibling' else 'as it was, with'} {sibling}"):
        if old == "sibling":
            before = dists.unpack(ROOT, dists.commit_of_floor(project, sibling), sibling, into)
            refuse(session, dists.missing_at_floor(project, before))
        else:
            project = before = dists.unpack(ROOT, dists.commit_before(project, sibling), package, into)
        install(session, package, instead=[before])
        run_tests(session, project)


@nox.session
@nox.parametrize("without", ["nothing", "torch,pandas"])
def table(session: nox.Session, without: str) -> None:
    """Each kind of value, written in one process and equal in another: with every library, and without some."""
    install(session, "serializers")
    if without != "nothing":
        session.run("uv", "pip", "uninstall", "--quiet", *without.split(","), external=True)
    tests = PACKAGES["serializers"].folder / "tests"
    session.run("python", str(tests / "show_table.py"))
    if without == "nothing":
        session.run("pytest", str(tests / "test_frames.py"), "-k", "wide", env={"WIDE_COLUMNS": "100000"})


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
        session.run("pytest", "--import-mode=importlib", str(tests / "test_versions.py"), *session.posargs)


@nox.session
@nox.parametrize("python,package", MATRIX, ids=[f"{package}-{python}" for python, package in MATRIX])
def alone(session: nox.Session, package: str) -> None:
    """Each wheel with only what it declares: it imports, says what it lacks, and brings nothing else."""
    with row(session, package):
        refuse(session, [*dists.undeclared(PACKAGES[package]), *dists.unneeded(PACKAGES[package])])
        ours = PACKAGES[package].needed(extras=False).values()
        fresh = [f"--reinstall-package={project.distribution}" for project in ours]
        session.install(*fresh, *(wheel(session, project.folder) for project in ours))
        session.run("python", "tests/alone.py", package)


@nox.session
@nox.parametrize("package", PRESENT, ids=PRESENT)
def dist(session: nox.Session, package: str) -> None:
    """Each sdist and wheel: what git tracks and nothing else, the same bytes twice; the sdist passes its tests."""
    project = PACKAGES[package]
    with row(session, package):
        into, elsewhere = ROOT / "dist" / package, scratch(session)
        shutil.copytree(project.folder, elsewhere / "copy", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / ".gitignore", elsewhere / "copy")  # hatch heeds and ships the one it finds, here or above
        session.env["SOURCE_DATE_EPOCH"] = dists.git(ROOT, "log", "-1", "--format=%ct").strip()
        build(session, project.folder, into)
        build(session, elsewhere / "copy", elsewhere / "again")
        sdist, built = next(into.glob("*.tar.gz")), next(into.glob("*.whl"))
        refuse(session, [*dists.unlike_git(project, sdist, built), *dists.not_reproduced(into, elsewhere / "again")])
        session.install("twine>=6")
        session.run("twine", "check", "--strict", str(sdist), str(built))
        unpacked = dists.unpack_sdist(sdist, package, elsewhere)
        install(session, package, instead=[unpacked])
        run_tests(session, unpacked)


@nox.session
def release(session: nox.Session) -> None:
    """Check the tag given after `--` against version, changelog and siblings; build its package into dist/release."""
    if len(session.posargs) != 1:
        session.error("name the tag: nox -s release -- wandb-track-core-v0.1.0")
    (tag,) = session.posargs
    refuse(session, dists.unfit_for_release(ROOT, tag))
    project = PACKAGES[dists.package_of(tag)]
    with tempfile.TemporaryDirectory() as folder:
        for sibling in project.siblings:
            before = dists.unpack(ROOT, dists.commit_of_floor(project, sibling), sibling, Path(folder))
            refuse(session, dists.missing_at_floor(project, before))
        committed = dists.unpack(ROOT, "HEAD", project.name, Path(folder) / "committed")
        build(session, committed.folder, ROOT / "dist" / "release")
    archives = sorted(map(str, (ROOT / "dist" / "release").glob("*.[tw]*")))
    session.install("twine>=6")
    session.run("twine", "check", "--strict", *archives)
    session.log("fit for release: " + ", ".join(archives))


@nox.session
def planted(session: nox.Session) -> None:
    """Plant a mistake for each kind of session in a clone, and show that the session finds it."""
    session.install("nox[uv]")
    session.run("python", "tests/planted.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def summary(session: nox.Session) -> None:
    """The table of what the sessions above found: package and versions x Python. They end with it by themselves."""
    print(dists.table(_rows))


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on real data: train with the orchestrators, offline, and show each run that was tracked."""
    present = [package for package in ("flyte", "metaflow") if package in PRESENT]
    install(session, *present, more=("scikit-learn>=1.3", "pandas>=2.0", "pyarrow>=14"))
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
    more = ("flytekitplugins-wandb", "scikit-learn>=1.3", "fastcore")
    install(session, "flyte", "metaflow", more=more)
    session.run("python", "benchmarks/bench.py", "--write", "benchmarks", *session.posargs)


@nox.session
def width(session: nox.Session) -> None:
    """What tracking costs for each of many tasks, branches, artifacts and values: tables in benchmarks/RESULTS.md."""
    install(session, "flyte", "metaflow")
    session.run("python", "benchmarks/width.py", "--write", "benchmarks/RESULTS.md", *session.posargs)


@nox.session
def profile(session: nox.Session) -> None:
    """Where the time of a small Metaflow flow goes, by way of tracking."""
    install(session, "metaflow", more=("fastcore",))
    session.run("python", "benchmarks/profile_case.py", *session.posargs)


@nox.session
def capture(session: nox.Session) -> None:
    """What capturing 1 GiB of each kind of value costs, beside the library's own call and today's integration."""
    install(session, "serializers", more=("metaflow", "fastcore"))
    session.run("python", "benchmarks/capture.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation: built strictly, every link and anchor checked."""
    session.install("mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1,<2", "ruff>=0.17,<0.18")
    session.run("mkdocs", "build", "--strict", "-d", session.create_tmp(), env={"NO_MKDOCS_2_WARNING": "1"})
