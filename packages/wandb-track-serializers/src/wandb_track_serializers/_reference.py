"""Values by what people call them: a reference to an artifact, or the task that made it; online and offline."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ._artifact import from_artifact
from ._store import load
from .errors import LoadError

if TYPE_CHECKING:
    import wandb
    from wandb_track_core.offline._fragments import Fragment as Run

_VERSION = re.compile(r"v(\d+)")


class Reference(NamedTuple):
    """What names a version of an artifact; empty where the reference does not say."""

    entity: str
    project: str
    name: str
    alias: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read "name", "name:alias", "project/name:alias" or "entity/project/name:alias".

        Raises:
            ValueError: It is none of these.
        """
        path, _, alias = text.partition(":") if isinstance(text, str) else ("", "", "")
        parts = path.split("/")
        if not all(parts) or len(parts) > 3 or "/" in alias:
            raise ValueError(
                f"reference is {text!r}, of type {type(text).__name__}: give 'name', 'name:alias',"
                " 'project/name:alias' or 'entity/project/name:alias'"
            )
        entity, project, name = ["", "", *parts][-3:]
        return cls(entity, project, name, alias)

    def __str__(self) -> str:
        path = "/".join(part for part in self[:3] if part)
        return f"{path}:{self.alias}" if self.alias else path


class MadeBy(NamedTuple):
    """The task of an orchestrator that made what is to be loaded, as the config of its runs names it.

    Attributes:
        orchestrator: The key of the config below which the facts stand.
        facts: What the config has to say, such as "execution" and "task".
        filters: What the server is to look through: filters of `wandb.Api().runs`.
        is_latest: Whether the latest execution is meant, among those that fit.
    """

    orchestrator: str
    facts: Mapping[str, Any]
    filters: Mapping[str, Any]
    is_latest: bool = False

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Whether a run with this config is one of the task's; a task fits by its name without the module, too."""
        known = config.get(self.orchestrator)
        return isinstance(known, Mapping) and all(
            known.get(key) == fact or (key == "task" and str(known.get(key)).endswith(f".{fact}"))
            for key, fact in self.facts.items()
        )

    def choose(self, found: list[tuple[Mapping[str, Any], Any]]) -> list[tuple[Mapping[str, Any], Any]]:
        """Of configs and what their runs made, the earliest first: those of the last attempt.

        Raises:
            LoadError: Several tasks have made it.
        """
        known = [(config[self.orchestrator], item) for item in found for config in item[:1]]
        if self.is_latest:
            last = known[-1][0].get("execution")
            known = [(facts, item) for facts, item in known if facts.get("execution") == last]
        tasks = {str(facts.get("task_id") or facts.get("indices") or "") for facts, _ in known}
        if len(tasks) > 1:
            raise LoadError(
                f"{len(tasks)} tasks of {self} made it ({', '.join(sorted(tasks))}): say which one you mean"
            )
        return [item for _, item in sorted(known, key=lambda each: int(each[0].get("attempt", 0)))]

    def __str__(self) -> str:
        return ", ".join(f"{key} {fact}" for key, fact in self.facts.items())


def load_artifact(
    reference: str,
    *,
    run: str | MadeBy | None = None,
    offline: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    directory: str | os.PathLike[str] | None = None,
    max_size: int | None = None,
    api: wandb.Api | None = None,
) -> Any:
    """Load a value that was logged as an artifact.

    Args:
        reference: "name", "name:alias", "project/name:alias" or "entity/project/name:alias". The alias can be a
            version ("v3"); without one it is "latest", or with `run` the last version that the run made.
        run: The run that made it: its id, or on a server "entity/project/id"; or, for integrations, the task.
        offline: A folder below which offline runs lie, packed or not; None for the server. Offline, a version counts
            what lies there, from v0, in the order in which the runs started.
        trusted: As in `load`.
        directory: Where to put the files; as in `from_artifact`.
        max_size: As in `load`.
        api: The client's API to ask, where it is not the user's own login.

    Returns:
        The value, its contents verified.

    Raises:
        ValueError: The reference cannot be read.
        LoadError: There is no such artifact, or it cannot be read; see `load` for the others.
    """
    wanted = Reference.parse(reference)
    if offline is not None:
        return _load_offline(wanted, run, Path(offline), trusted, directory, max_size)
    artifact = _find_online(wanted, run, api)
    return from_artifact(artifact, trusted, directory=directory, max_size=max_size)


def _find_online(wanted: Reference, run: str | MadeBy | None, api: wandb.Api | None) -> wandb.Artifact:
    import wandb
    from wandb.errors import CommError

    asked = wandb.Api() if api is None else api
    try:
        if run is None:
            artifact: wandb.Artifact = asked.artifact(str(wanted if wanted.alias else wanted._replace(alias="latest")))
            return artifact
        runs = _runs_of(asked, wanted, run)
        made = [(one, [a for a in one.logged_artifacts() if _is_meant(wanted, a)]) for one in runs]
    except (ValueError, CommError) as error:
        raise LoadError(f"{wanted} cannot be found on the server: {error}") from error
    only: wandb.Artifact = _only([(one.config, found[-1]) for one, found in made if found], wanted, run)
    return only


def _runs_of(api: wandb.Api, wanted: Reference, run: str | MadeBy) -> Iterable[Any]:
    place = "/".join(part for part in wanted[:2] if part)
    if isinstance(run, str):
        return [api.run(run if "/" in run or not place else f"{place}/{run}")]
    runs = api.runs(place, filters=dict(run.filters), order="+created_at")
    return [one for one in runs if run.fits(one.config)]


def _is_meant(wanted: Reference, artifact: Any) -> bool:
    name, _, version = artifact.name.partition(":")
    return name == wanted.name and wanted.alias in ("", version, *artifact.aliases)


def _load_offline(
    wanted: Reference,
    run: str | MadeBy | None,
    root: Path,
    trusted: bool,
    directory: str | os.PathLike[str] | None,
    max_size: int | None,
) -> Any:
    from wandb_track_core.offline._fragments import find_fragments as find

    if not root.exists():
        raise FileNotFoundError(f"offline is {str(root)!r}, which does not exist: give a folder with offline runs")
    made = [
        (one, edge)
        for one in find([root])
        if wanted.entity in ("", one.entity) and wanted.project in ("", one.project)
        for edge in one.edges
        if edge["edge"] == "output" and edge["name"] == wanted.name
    ]
    version = _VERSION.fullmatch(wanted.alias)
    digests = list(dict.fromkeys(edge["digest"] for _, edge in made))
    meant = digests[int(version[1])] if version and int(version[1]) < len(digests) else None
    found = [
        (one, edge)
        for one, edge in made
        if (run is None or (run.fits(one.config) if isinstance(run, MadeBy) else one.id == run.rpartition("/")[2]))
        and (edge["digest"] == meant if version else wanted.alias in ("", *edge.get("aliases", ())))
    ]
    source, edge = _only([(one.config, (one, edge)) for one, edge in found], wanted, run)
    if not edge.get("folder"):
        raise LoadError(f"{wanted} of {source.place} was not written by these packages: read its files yourself")
    if directory is None and not source.is_packed:
        return load(source.place / edge["folder"], trusted=trusted, max_size=max_size)
    target = Path(tempfile.mkdtemp(prefix="wandb-track-") if directory is None else directory)
    value = None
    try:
        if source.is_packed:
            _unpack(source, edge["folder"], target)
        else:
            shutil.copytree(source.place / edge["folder"], target, dirs_exist_ok=True)
        value = load(target, trusted=trusted, max_size=max_size)
        return value
    finally:
        # A path is that of the files themselves: they stay.
        if directory is None and not isinstance(value, Path):
            shutil.rmtree(target, ignore_errors=True)


def _only(found: list[tuple[Mapping[str, Any], Any]], wanted: Reference, run: str | MadeBy | None) -> Any:
    """The last of what was found, if one task alone made it."""
    if not found:
        by = "" if run is None else f" that {run} made"
        raise LoadError(f"there is no artifact {wanted}{by}: `wandb-track runs` or the server shows what there is")
    return (run.choose(found) if isinstance(run, MadeBy) else found)[-1][1]


def _unpack(run: Run, inside: str, target: Path) -> None:
    """Take the folder of an artifact out of a run's tar; nothing in it can be written anywhere else."""
    with tarfile.open(run.place) as tar:
        for member in tar.getmembers():
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            if path.is_relative_to(inside):
                tar.extract(member.replace(name=path.relative_to(inside).as_posix()), target, filter="data")
