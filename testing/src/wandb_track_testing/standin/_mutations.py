"""What the client's mutations change in the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._context import Context, connection
from ._model import Artifact, Collection, Run, ServerError, Use
from ._view_artifact import ArtifactView, CollectionView, FileView, ManifestView, artifact_file
from ._view_project import ProjectView, find_project
from ._view_run import RunView

_RUN_FIELDS = {
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "groupName": "group",
    "jobType": "job_type",
    "tags": "tags",
    "host": "host",
    "jobProgram": "program",
    "commit": "commit",
    "sweep": "sweep",
}


@dataclass(frozen=True)
class Mutation:
    """Mutation: each method is one field, and takes its input as the client writes it."""

    context: Context
    refuse: Callable[[str, str], None]
    """Raises where an entity or project is unknown or forbidden."""

    def _place(self, given: Mapping[str, Any], project: str = "projectName") -> tuple[str, str]:
        entity = given.get("entityName") or self.context.site.default_entity
        name = given.get(project) or "uncategorized"
        self.refuse(entity, name)
        return entity, name

    def _run(self, given: Mapping[str, Any]) -> Run:
        entity, project = self._place(given)
        return self.context.state.run(entity, project, given.get("runName") or "")

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        state = self.context.state
        if input.get("id"):
            run, inserted = state.run_by_storage_id(input["id"]), False
        else:
            entity, project = self._place(input, "modelName")
            key = (entity, project, input.get("name") or f"run{state.number()}")
            if key in state.deleted:
                raise ServerError(409, f"run {'/'.join(key)} was previously created and deleted; try a new run name")
            state.project(entity, project)
            inserted = key not in state.runs
            run = state.runs.setdefault(key, Run(*key, number=state.number()))
        if inserted or opens(input, run):
            run.open()
        for name, attribute in _RUN_FIELDS.items():
            if input.get(name) is not None:
                setattr(run, attribute, input[name])
        if input.get("config") is not None:
            run.config = {key: _value(entry) for key, entry in json.loads(input["config"]).items()}
            run.wandb_config = run.config.pop("_wandb", {})
        if input.get("summaryMetrics") is not None:
            run.summary = json.loads(input["summaryMetrics"])
        if input.get("state") is not None:
            run.settled = input["state"]
        run.keys.add(self.context.key)
        return {"bucket": RunView(self.context, run), "inserted": inserted}

    def update_run_state(self, input: dict[str, Any]) -> dict[str, Any]:
        self.context.state.run_by_storage_id(input["id"]).settled = input["state"]
        return {"success": True}

    def stop_run(self, input: dict[str, Any]) -> dict[str, Any]:
        self.context.state.run_by_storage_id(input["id"]).stop_requested = True
        return {"success": True}

    def delete_run(self, input: dict[str, Any]) -> dict[str, Any]:
        state = self.context.state
        run = state.run_by_storage_id(input["id"])
        del state.runs[run.key]
        state.deleted.add(run.key)
        if input.get("deleteArtifacts"):
            for artifact in run.logged:
                _delete(artifact)
        return {"clientMutationId": None}

    def upsert_model(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, name = self._place(input, "name")
        inserted = find_project(self.context, entity, name) is None
        self.context.state.project(entity, name)
        project = ProjectView(self.context, entity, name)
        return {"project": project, "model": project, "inserted": inserted}

    def notify_scriptable_run_alert(self, input: dict[str, Any]) -> dict[str, Any]:
        self._run(input).alerts.append((input.get("title") or "", input.get("text") or ""))
        return {"success": True}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._run(input)
        files = [
            FileView(self.context, name, None, f"run/{'/'.join(run.key)}/{name}", wanted=True)
            for name in input["files"]
        ]
        return {"runID": run.storage_id, "uploadHeaders": [], "files": files}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._run(input)
        return {"success": all(name in run.files for name in input["files"])}

    def delete_files(self, input: dict[str, Any]) -> dict[str, Any]:
        for run in self.context.state.runs.values():
            doomed = [view.name for view in self._files(run) if view.id in input["files"]]
            for name in doomed:
                del run.files[name]
        return {"success": True}

    def _files(self, run: Run) -> list[FileView]:
        edges = RunView(self.context, run).files()["edges"]
        return [edge["node"] for edge in edges]

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        state = self.context.state
        entity, project = self._place(input)
        names = input.get("artifactCollectionNames") or [input.get("artifactCollectionName")]
        collection = self._collection((entity, project, names[0] or ""), input["artifactTypeName"])
        run = state.run(entity, project, input["runName"]) if input.get("runName") else None
        client_id = input.get("clientID") or ""
        artifact = state.artifacts.get(state.clients.get(client_id, ""))
        if artifact is None:
            same = (a for a in collection.artifacts if a.digest == input["digest"] and a.state != "DELETED")
            artifact = next(same, None)
        if artifact is None:
            artifact = state.new_artifact(collection, input["digest"])
            artifact.run = run
            artifact.client_id = client_id
            artifact.description = input.get("description") or ""
            artifact.metadata = json.loads(input.get("metadata") or "null") or {}
            artifact.tags = [tag["tagName"] for tag in input.get("tags") or []]
            artifact.digest_algorithm = input.get("digestAlgorithm") or artifact.digest_algorithm
            artifact.history_step = input.get("historyStep")
            artifact.ttl_seconds = input.get("ttlDurationSeconds") or artifact.ttl_seconds
            if run is not None:
                run.logged.append(artifact)
        elif run is not None and artifact not in run.logged + run.logged_again:
            run.logged_again.append(artifact)
        if client_id:
            state.clients[client_id] = artifact.id
        aliases = [alias["alias"] for alias in input.get("aliases") or []]
        if artifact.state == "COMMITTED":
            collection.aliases |= dict.fromkeys(aliases, artifact)
        else:
            artifact.pending_aliases += aliases
        return {"artifact": ArtifactView(self.context, artifact)}

    def _collection(self, key: tuple[str, str, str], kind: str) -> Collection:
        state = self.context.state
        state.project(*key[:2])
        if key not in state.collections:
            state.collections[key] = Collection(*key, type=kind, number=state.number(), blobs=state.blobs)
        collection = state.collections[key]
        if collection.type != kind:
            raise ServerError(409, f"artifact {key[2]} has type {collection.type} already, not {kind}")
        return collection

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        manifest = self.context.state.new_manifest(artifact, input.get("digest") or "", input.get("type") or "FULL")
        return {"artifactManifest": ManifestView(self.context, manifest, wanted=True)}

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        manifest = self.context.state.manifest(input["artifactManifestID"])
        manifest.digest = input.get("digest") or manifest.digest
        return {"artifactManifest": ManifestView(self.context, manifest, wanted=True)}

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        state = self.context.state
        views = []
        for spec in input["artifactFiles"]:
            artifact = ArtifactView(self.context, state.artifact(spec["artifactID"]))
            digest = spec.get("md5") or spec["digest"]
            stored = state.blobs.get((artifact.model.collection.entity, digest))
            views.append(artifact_file(self.context, artifact, spec["name"], digest, stored))
        return {"files": connection(views)}

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        if artifact.state == "PENDING":
            artifact.index = len([a for a in artifact.collection.artifacts if a.index is not None])
            artifact.state = "COMMITTED"
            artifact.collection.aliases |= dict.fromkeys(artifact.pending_aliases, artifact)
        return {"artifact": ArtifactView(self.context, artifact)}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        if input.get("description") is not None:
            artifact.description = input["description"]
        if input.get("metadata") is not None:
            artifact.metadata = json.loads(input["metadata"])
        if input.get("ttlDurationSeconds") is not None:
            artifact.ttl_seconds = input["ttlDurationSeconds"]
        if input.get("aliases") is not None:
            self._repoint(artifact, [alias["alias"] for alias in input["aliases"]])
        gone = [tag["tagName"] for tag in input.get("tagsToDelete") or []]
        added = [tag["tagName"] for tag in input.get("tagsToAdd") or []]
        artifact.tags = list(dict.fromkeys([tag for tag in artifact.tags if tag not in gone] + added))
        return {"artifact": ArtifactView(self.context, artifact)}

    def _repoint(self, artifact: Artifact, aliases: list[str]) -> None:
        kept = {name: other for name, other in artifact.collection.aliases.items() if other is not artifact}
        artifact.collection.aliases = kept | dict.fromkeys(aliases, artifact)

    def delete_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        if artifact.aliases and not input.get("deleteAliases"):
            raise ServerError(409, f"artifact {artifact.name} has aliases {artifact.aliases}")
        _delete(artifact)
        return {"artifact": ArtifactView(self.context, artifact)}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._run(input)
        artifact = self.context.state.artifact(input["artifactID"])
        if run not in artifact.used_by:
            run.used.append(Use(artifact, input.get("usedAs")))
            artifact.used_by.append(run)
        return {"artifact": ArtifactView(self.context, artifact)}

    def update_artifact_sequence(self, input: dict[str, Any]) -> dict[str, Any]:
        collection = self.context.state.collection(input["artifactSequenceID"])
        if input.get("description") is not None:
            collection.description = input["description"]
        if input.get("name") is not None:
            del self.context.state.collections[collection.key]
            collection.name = input["name"]
            self.context.state.collections[collection.key] = collection
        return {"artifactCollection": CollectionView(self.context, collection)}

    def delete_artifact_sequence(self, input: dict[str, Any]) -> dict[str, Any]:
        collection = self.context.state.collection(input["artifactSequenceID"])
        del self.context.state.collections[collection.key]
        for artifact in collection.artifacts:
            _delete(artifact)
        return {"artifactCollection": CollectionView(self.context, collection, "DELETED")}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        artifact.collection.aliases |= {alias["alias"]: artifact for alias in input["aliases"]}
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self.context.state.artifact(input["artifactID"])
        gone = {alias["alias"] for alias in input["aliases"]}
        self._repoint(artifact, [alias for alias in artifact.aliases if alias not in gone])
        return {"success": True}

    def upsert_sweep(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, name = self._place(input)
        self.context.state.project(entity, name)
        sweep = self.context.state.new_sweep(input["config"])
        project = ProjectView(self.context, entity, name)
        return {"sweep": {"id": sweep, "name": sweep, "project": project}, "configValidationWarnings": []}

    def create_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        self._place(input)
        if input["sweep"] not in self.context.state.sweeps:
            raise ServerError(404, f"sweep {input['sweep']} not found")
        return {"agent": {"id": input["sweep"]}}

    def agent_heartbeat(self, input: dict[str, Any]) -> dict[str, Any]:
        state, sweep = self.context.state, input["id"]
        commands: list[dict[str, Any]] = []
        if not json.loads(input.get("runState") or "{}"):
            parameters = next(state.sweeps[sweep], None)
            if parameters is None:
                commands = [{"type": "exit"}]
            else:
                arguments = {name: {"value": value} for name, value in parameters.items()}
                commands = [{"type": "run", "run_id": f"{sweep}-{state.number()}", "args": arguments}]
        return {"agent": {"id": sweep}, "commands": json.dumps(commands)}


def opens(input: Mapping[str, Any], run: Run) -> bool:
    """Whether an upsert of an existing run opens it anew.

    The client's first message names the host; its later ones do not, and the public API's name no run.
    """
    return bool(input.get("name")) and (input.get("host") is not None or run.exit_code is not None)


def _value(entry: Any) -> Any:
    return entry["value"] if isinstance(entry, dict) and "value" in entry else entry


def _delete(artifact: Artifact) -> None:
    collection = artifact.collection
    collection.aliases = {name: other for name, other in collection.aliases.items() if other is not artifact}
    artifact.state = "DELETED"
