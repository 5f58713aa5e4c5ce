"""Values by run and name: an output or an input of an open run, and what another run made, online and on the disk."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ._artifacts import from_artifact, to_artifact
from ._manifest import METADATA_KEY, check_path
from ._references import Location, OpenFilesystem, RemoteFile, read_reference, to_reference
from ._registry import kind_of
from ._summary import to_summary
from ._values import Reading, load, read_fetched
from .capture import check_storage
from .errors import IntegrityError, LoadError, TooLargeError

if TYPE_CHECKING:
    import wandb

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


class Producer(NamedTuple):
    """The task of an orchestrator that produced what is to be loaded, as the config of its runs names it.

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
    run: str | Producer | None = None,
    offline: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    directory: str | os.PathLike[str] | None = None,
    max_size: int | None = None,
    api: wandb.Api | None = None,
    filesystem: OpenFilesystem | None = None,
) -> Any:
    """Load a value that was logged as an artifact.

    Args:
        reference: "name", "name:alias", "project/name:alias" or "entity/project/name:alias". The alias can be a
            version ("v3"); without one it is "latest", or with `run` the last version that the run made.
        run: The run that made it: its id, or on a server "entity/project/id"; or, for integrations, the task.
        offline: A folder that has offline runs below it, packed or not; None for the server. Offline, a version counts
            what lies there, from v0, in the order in which the runs started.
        trusted: As in `load`.
        directory: Where to put the files; as in `from_artifact`.
        max_size: As in `load`.
        api: The client's API to ask, where it is not the user's own login.
        filesystem: As in `from_artifact`.

    Returns:
        The value, its contents verified.

    Raises:
        ValueError: The reference cannot be read.
        LoadError: There is no such artifact, or it cannot be read; see `load` for the others.
    """
    wanted = Reference.parse(reference)
    how = Reading(trusted, max_size, directory, filesystem)
    if offline is not None:
        return _load_offline(wanted, run, Path(offline), how)
    return from_artifact(_find_online(wanted, run, api), **how._asdict())


def _find_online(wanted: Reference, run: str | Producer | None, api: wandb.Api | None) -> wandb.Artifact:
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


def _runs_of(api: wandb.Api, wanted: Reference, run: str | Producer) -> Iterable[Any]:
    place = "/".join(part for part in wanted[:2] if part)
    if isinstance(run, str):
        return [api.run(run if "/" in run or not place else f"{place}/{run}")]
    runs = api.runs(place, filters=dict(run.filters), order="+created_at")
    return [one for one in runs if run.fits(one.config)]


def _is_meant(wanted: Reference, artifact: Any) -> bool:
    name, _, version = artifact.name.partition(":")
    return name == wanted.name and wanted.alias in ("", version, *artifact.aliases)


def _load_offline(wanted: Reference, run: str | Producer | None, root: Path, how: Reading) -> Any:
    from wandb_track_core.offline import find_fragments

    if not root.exists():
        raise FileNotFoundError(f"offline is {str(root)!r}, which does not exist: give a folder with offline runs")
    fragments = find_fragments([root])
    made = [
        (one, edge)
        for one in fragments
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
        if (run is None or (run.fits(one.config) if isinstance(run, Producer) else one.id == run.rpartition("/")[2]))
        and (edge["digest"] == meant if version else wanted.alias in ("", *edge.get("aliases", ())))
    ]
    damaged = [f"{one.place} ({one.faults[0]})" for one in fragments if one.faults]
    source, edge = _only([(one.config, (one, edge)) for one, edge in found], wanted, run, damaged)
    if edge.get("references"):
        return read_reference(
            wanted.name,
            edge.get("metadata", {}).get(METADATA_KEY),
            [RemoteFile(*map(each.get, RemoteFile._fields)) for each in edge["references"]],
            how,
            f"artifact {wanted} of {source.place}",
        )
    if not edge.get("folder"):
        raise LoadError(f"{wanted} of {source.place} was not written by these packages: read its files yourself")
    inside = check_path(edge["folder"])
    if not (source.is_packed or (source.place / inside).resolve() == source.place.resolve() / inside):
        raise IntegrityError(
            f"{source.place / inside} is a link, or behind one, which no run of ours holds; nothing was read"
        )
    if how.directory is None and not source.is_packed:
        return load(source.place / inside, trusted=how.trusted, max_size=how.max_size)

    def fetch(target: Path) -> Any:
        if source.is_packed:
            _unpack(source.place, inside, target, how.max_size)
        else:
            shutil.copytree(source.place / inside, target, dirs_exist_ok=True, symlinks=True)
        return load(target, trusted=how.trusted, max_size=how.max_size)

    return read_fetched(how, fetch)


def _only(
    found: list[tuple[Mapping[str, Any], Any]],
    wanted: Reference,
    run: str | Producer | None,
    damaged: Sequence[str] = (),
) -> Any:
    """The last of what was found, if one task alone made it."""
    if not found:
        by = "" if run is None else f" that {run} made"
        known = f"; it may be in what is damaged: {', '.join(damaged[:3])}" if damaged else ""
        shows = "`wandb-track runs` or the server shows what there is"
        raise LoadError(f"there is no artifact {wanted}{by}: {shows}{known}")
    return (run.choose(found) if isinstance(run, Producer) else found)[-1][1]


def _unpack(tar_file: Path, inside: str, target: Path, max_size: int | None) -> None:
    """Take the folder of an artifact out of a run's tar; nothing in it can be written anywhere else.

    Only a plain tar is a run, which cannot hold more than it takes, and is read from its beginning to its end, without
    a list of what is in it.
    """
    size = 0
    try:
        with tarfile.open(tar_file, "r|") as tar:
            for member in tar:
                path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                if path.is_relative_to(inside):
                    size += member.size
                    if max_size is not None and size > max_size:
                        raise TooLargeError(tar_file.name, size, max_size, "raise max_size= if you trust its writer")
                    contents = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                    if ".." in path.parts or not (member.isdir() or contents):
                        raise LoadError(f"{tar_file} holds {member.name!r}, which is no plain file: read nothing of it")
                    place = target / path.relative_to(inside)
                    (place if contents is None else place.parent).mkdir(parents=True, exist_ok=True)
                    if contents is not None:
                        with place.open("wb") as file:
                            shutil.copyfileobj(contents, file)
                tar.members.clear()  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise LoadError(f"{tar_file} is no whole, plain tar ({error}): copy or pack the run again") from error
    except OSError as error:  # such as two members of one name, a folder and a file
        raise LoadError(f"{tar_file} cannot be unpacked: {error}") from error


def log_value(
    run: wandb.Run,
    name: str,
    value: Any,
    aliases: Sequence[str] | Callable[[wandb.Artifact], Sequence[str]] = (),
    *,
    format: str | None = None,
    max_size: int | None = None,
    storage: str | Location = "copy",
    in_container: bool = False,
    filesystem: OpenFilesystem | None = None,
) -> wandb.Artifact | None:
    """Log a value with a run; its files are written straight into the run's folder.

    Args:
        run: An open run.
        name: Of the artifact, or of the key in the run's summary.
        value: A base type goes to the summary; anything else becomes an artifact. With `storage="reference"`: a URI,
            or a path.
        aliases: Of the artifact's version, beside "latest"; or what makes them of the artifact.
        format: A format other than the usual one, as in `dump`.
        max_size: As in `dump`; a reference has no limit.
        storage: "copy" to write the value's files; "reference" for an artifact that refers to the files at a URI. For
            integrations: where the orchestrator keeps the value's bytes.
        in_container: Whether the machine's disk ends with the task. What is on it is then copied.
        filesystem: Gives the fsspec file system of a URI; None for what fsspec finds by itself.

    Returns:
        The artifact; None where there is none: for a base type, and where the task is not tracked.

    Raises:
        ArgumentError: `storage` is none of these, or the value is neither URI nor path.
        SerializerError: The value cannot be stored, or there is nothing at the URI.
        ValueError: `format` is not possible.
    """
    location = storage if isinstance(storage, Location) else None
    if location is None and check_storage(storage) == "reference":
        location = Location.of(value, filesystem)
        value = location.local or value
    if run.disabled:
        return None
    if location is None and kind_of(value) == "summary":
        run.summary[name] = to_summary(value)
        return None
    from wandb_track_core.adapters import artifact_folder, legal_artifact_name, log_artifact, notify

    legal = legal_artifact_name(name)
    if location is not None and in_container and location.local:
        notify(
            f"{name} is copied, not referred to: {location.uri} is on the disk of this container, which is temporary"
        )
        location = None
    folder = None if location else artifact_folder(run, legal)
    try:
        artifact = (
            to_reference(legal, location)
            if location
            else to_artifact(
                legal,
                value,
                datasets=True,
                models=True,
                others=True,
                format=format,
                directory=folder,
                max_size=max_size,
            )
        )
        given = () if artifact is None else aliases(artifact) if callable(aliases) else aliases
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if artifact is not None:
        log_artifact(run, artifact, given, folder)
    return artifact


def use_value(
    run: wandb.Run,
    name: str,
    alias: str,
    *,
    load: bool = False,
    trusted: bool = False,
    filesystem: OpenFilesystem | None = None,
) -> Any:
    """Link a version of an artifact as an input of a run, and load its value if you want.

    Args:
        run: An open run.
        name: The artifact's name; "entity/project/name" where it is not the run's own project.
        alias: The version, or an alias of exactly the version that is meant.
        load: Whether to return the value. Where the run is offline, it is looked for in the runs beside it.
        trusted: Whether you trust whoever wrote it: a pickle runs whatever code is in it.
        filesystem: As in `from_artifact`.

    Returns:
        The value with `load`. Otherwise the artifact; None where the run is offline (the link is then kept beside it)
        or the task is not tracked.

    Raises:
        LoadError: There is no such artifact, or it cannot be read; see `load` for the others.
        ArgumentError: A value is to be loaded in a task that is not tracked.
        Exception: What the client raises, such as where there is no such version.
    """
    from wandb_track_core import ArgumentError
    from wandb_track_core.adapters import run_folder, use_artifact

    if run.disabled:
        if load:
            raise ArgumentError(
                "load", "cannot be True, because this task is not tracked", remedy="Use load_artifact instead."
            )
        return None
    artifact = use_artifact(run, name, alias)
    if not load:
        return artifact
    if artifact is None:
        folder = run_folder(run).parent
        return load_artifact(f"{name}:{alias}", offline=folder, trusted=trusted, filesystem=filesystem)
    return from_artifact(artifact, trusted=trusted, filesystem=filesystem)
