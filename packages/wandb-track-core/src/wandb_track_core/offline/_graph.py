"""What runs have to do with each other: which produced the versions of artifacts that which consumed."""

from __future__ import annotations

from collections import defaultdict

from ._runs import OfflineRun

Name = tuple[str, str, str]
"""Entity, project and name of an artifact."""


def produced(run: OfflineRun) -> dict[Name, set[str]]:
    """The artifacts that a run logged, with the aliases and digests that name exactly these versions."""
    names: dict[Name, set[str]] = defaultdict(set)
    for artifact in run.artifacts:
        names[name_on_server(run, artifact.name, artifact.type)].update([*artifact.aliases, artifact.digest])
    return names


def consumed(run: OfflineRun) -> list[tuple[Name, str]]:
    """The artifacts that a run used, by name and alias."""
    edges: dict[tuple[Name, str], None] = {}
    for used in run.inputs:
        edges[name_on_server(run, used.name, used.type), used.alias] = None
    return list(edges)


def whole_name(run: OfflineRun, name: str) -> Name:
    """The name of an artifact that a run produced or consumed, with its entity and project."""
    *place, name = name.split("/")
    entity, project = [run.entity, run.project][: 2 - len(place)] + place[-2:]
    return entity, project, name


def name_on_server(run: OfflineRun, name: str, type: str) -> Name:
    """The name that an artifact has on the server: one name has one type there."""
    entity, project, own = whole_name(run, name)
    return entity, project, run.renamed.get(((entity, project, own), type), own)


class Graph:
    """Runs and the versions of artifacts between them; runs stand by number, versions by label.

    Attributes:
        runs: As given.
        made: Labels of the versions that a run produced.
        used: Numbers of the runs that consumed a version.
        types: The type of a version, where it is known.
    """

    def __init__(self, runs: list[OfflineRun]) -> None:
        self.runs = runs
        self.made: dict[int, list[str]] = defaultdict(list)
        self.used: dict[str, list[int]] = defaultdict(list)
        self.types: dict[str, str] = {}
        versions: dict[tuple[Name, str], str] = {}
        for number, run in enumerate(runs):
            for artifact in run.artifacts:
                own = [alias for alias in artifact.aliases if alias != "latest"] or [artifact.digest[:8]]
                label = f"{artifact.name}:{own[0]}"
                self.made[number].append(label)
                self.types[label] = artifact.type
                for alias in (*artifact.aliases, artifact.digest):
                    versions[(run.entity, run.project, artifact.name), alias] = label
        for number, run in enumerate(runs):
            for name, alias in consumed(run):
                self.used[versions.get((name, alias), f"{name[2]}:{alias}")].append(number)
