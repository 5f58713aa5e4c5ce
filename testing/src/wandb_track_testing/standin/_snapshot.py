"""The server's state in a form that two servers can be compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._model import Artifact, Collection, Run
from ._state import State

_OF_THE_CLIENT = {
    "config.yaml",
    "diff.patch",
    "output.log",
    "requirements.txt",
    "wandb-metadata.json",
    "wandb-summary.json",
}
_OF_THE_CLOCK = {"_runtime", "_timestamp", "_wandb"}
_ENTRY_FIELDS = ("digest", "ref", "size", "extra")


def snapshot(state: State, *, ordered: bool, rename: Callable[[str], str]) -> dict[str, Any]:
    """See `StandIn.snapshot`."""
    runs = {"/".join(run.key): _run(run, ordered) for run in state.runs.values()}
    collections = {"/".join(c.key): _collection(c, ordered) for c in state.collections.values()}
    form: dict[str, Any] = _renamed({"runs": runs, "artifacts": collections}, rename)
    return form


def _run(run: Run, ordered: bool) -> dict[str, Any]:
    return {
        "display_name": run.display_name,
        "notes": run.notes,
        "group": run.group,
        "job_type": run.job_type,
        "tags": sorted(run.tags),
        "state": run.state,
        "exit_code": run.exit_code,
        "preempting": run.preempting,
        "config": run.config,
        "summary": _steady(run.summary),
        "history": [_steady(row) for row in run.history],
        "files": {name: None if name in _OF_THE_CLIENT else stored.md5 for name, stored in sorted(run.files.items())},
        "logged": sorted(_reference(artifact, ordered) for artifact in run.logged),
        "logged_again": sorted(_reference(artifact, ordered) for artifact in run.logged_again),
        "used": sorted(_reference(use.artifact, ordered) for use in run.used),
        "alerts": [list(alert) for alert in run.alerts],
    }


def _collection(collection: Collection, ordered: bool) -> dict[str, Any]:
    versions = [_artifact(artifact, ordered) for artifact in collection.artifacts if artifact.state != "DELETED"]
    if not ordered:
        versions.sort(key=lambda version: str(version["digest"]))
    return {"type": collection.type, "tags": sorted(collection.tags), "versions": versions}


def _artifact(artifact: Artifact, ordered: bool) -> dict[str, Any]:
    entries = {
        path: {name: entry[name] for name in _ENTRY_FIELDS if entry.get(name)}
        for path, entry in sorted(artifact.entries.items())
    }
    return {
        "version": artifact.index if ordered else None,
        "state": artifact.state,
        "digest": artifact.digest,
        "description": artifact.description,
        "metadata": artifact.metadata,
        "tags": sorted(artifact.tags),
        "aliases": [alias for alias in artifact.aliases if ordered or alias != "latest"],
        "entries": entries,
        "missing": artifact.missing,
        "used_by": sorted("/".join(run.key) for run in artifact.used_by),
    }


def _reference(artifact: Artifact, ordered: bool) -> str:
    version = f"v{artifact.index}" if ordered else artifact.digest
    return f"{'/'.join(artifact.collection.key)}:{version}"


def _steady(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _OF_THE_CLOCK}


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, Mapping):
        return {rename(name): _renamed(inner, rename) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, rename) for inner in value]
    return value
