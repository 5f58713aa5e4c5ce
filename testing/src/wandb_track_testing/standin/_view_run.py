"""Runs as GraphQL objects."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _view_artifact, _view_project
from ._context import Context, connection, iso_time
from ._model import Run


@dataclass(frozen=True)
class RunView:
    """Run."""

    context: Context
    model: Run
    typename = "Run"
    read_only = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @property
    def id(self) -> str:
        return self.model.storage_id

    @property
    def name(self) -> str:
        return self.model.id

    @property
    def display_name(self) -> str:
        return self.model.display_name or self.model.id

    @property
    def project_id(self) -> int:
        return self.context.state.project(self.model.entity, self.model.project)

    @property
    def project(self) -> _view_project.ProjectView:
        return _view_project.ProjectView(self.context, self.model.entity, self.model.project)

    @property
    def user(self) -> _view_project.UserView:
        return _view_project.UserView(self.context)

    @property
    def sweep_name(self) -> str | None:
        return self.model.sweep or None

    @property
    def created_at(self) -> str:
        return iso_time(self.model.created)

    @property
    def heartbeat_at(self) -> str:
        return iso_time(self.model.heartbeat)

    @property
    def config(self) -> str:
        values = dict(self.model.config)
        if self.model.wandb_config:
            values["_wandb"] = self.model.wandb_config
        return json.dumps({key: {"value": value, "desc": None} for key, value in values.items()})

    def wandb_config(self, keys: list[str] | None = None) -> str:
        config = self.model.wandb_config
        return json.dumps(config if keys is None else {key: config[key] for key in keys if key in config})

    @property
    def summary_metrics(self) -> str:
        return json.dumps(self.model.summary)

    @property
    def system_metrics(self) -> str:
        return json.dumps(self.model.events[-1] if self.model.events else {})

    @property
    def history_keys(self) -> dict[str, Any]:
        names = dict.fromkeys(name for row in self.model.history for name in row)
        keys = {name: {"typeCounts": [{"type": "number", "count": len(self.model.values(name))}]} for name in names}
        return {"keys": keys, "sets": [], "lastStep": self._last_step}

    @property
    def _last_step(self) -> int:
        return max((row.get("_step", number) for number, row in enumerate(self.model.history)), default=-1)

    @property
    def history_line_count(self) -> int:
        return len(self.model.history)

    @property
    def events_line_count(self) -> int:
        return len(self.model.events)

    @property
    def log_line_count(self) -> int:
        return len(self.model.output)

    @property
    def history_tail(self) -> str:
        return json.dumps([json.dumps(row) for row in self.model.history[-1:]])

    @property
    def events_tail(self) -> str:
        return json.dumps([json.dumps(row) for row in self.model.events[-1:]])

    def history(
        self, min_step: int | None = None, max_step: int | None = None, samples: int | None = None
    ) -> list[str]:
        rows = [
            row
            for number, row in enumerate(self.model.history)
            if (min_step is None or row.get("_step", number) >= min_step)
            and (max_step is None or row.get("_step", number) < max_step)
        ]
        return [json.dumps(row) for row in _sample(rows, samples)]

    def events(self, samples: int | None = None) -> list[str]:
        return [json.dumps(row) for row in _sample(self.model.events, samples)]

    def sampled_history(self, specs: list[str]) -> list[list[dict[str, Any]]]:
        return [self._sampled(json.loads(spec)) for spec in specs]

    def _sampled(self, spec: dict[str, Any]) -> list[dict[str, Any]]:
        keys: list[str] = spec.get("keys") or []
        rows = [row for row in self.model.history if all(key in row for key in keys)]
        low, high = spec.get("minStep"), spec.get("maxStep")
        rows = [row for row in rows if low is None or row.get("_step", 0) >= low]
        rows = [row for row in rows if high is None or row.get("_step", 0) <= high]
        picked = _sample(rows, spec.get("samples"))
        return [{key: row[key] for key in keys} for row in picked] if keys else list(picked)

    def parquet_history(self, live_keys: list[str]) -> dict[str, Any]:
        return {"parquetUrls": [], "liveData": self.model.history}

    def log_lines(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        use_improved_pagination: bool = False,
    ) -> dict[str, Any]:
        lines = [{"number": n, "line": line, "level": "info"} for n, line in enumerate(self.model.output)]
        return connection(lines[-last:] if last else lines, first, after)

    @property
    def file_count(self) -> int:
        return len(self.model.files)

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        pattern: str | None = None,
    ) -> dict[str, Any]:
        found = [
            _view_artifact.FileView(self.context, name, stored, f"run/{'/'.join(self.model.key)}/{name}")
            for name, stored in self.model.files.items()
            if (not names or name in names) and (not pattern or fnmatch.fnmatch(name, pattern.replace("%", "*")))
        ]
        return connection(found, first, after)

    def output_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        shown = [a for a in self.model.logged if a.state == "COMMITTED"]
        return connection([_view_artifact.ArtifactView(self.context, a) for a in shown], first, after)

    def input_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        return connection(
            [_view_artifact.ArtifactView(self.context, use.artifact) for use in self.model.used], first, after
        )

    @property
    def document(self) -> dict[str, Any]:
        """The run as filters and orders see it."""
        run = self.model
        return {
            "name": run.id,
            "display_name": self.display_name,
            "displayName": self.display_name,
            "state": run.state,
            "group": run.group,
            "jobType": run.job_type,
            "job_type": run.job_type,
            "tags": run.tags,
            "notes": run.notes,
            "createdAt": self.created_at,
            "created_at": run.number,
            "heartbeatAt": self.heartbeat_at,
            "username": self.user.username,
            "config": run.config,
            "summary_metrics": run.summary,
            "summaryMetrics": run.summary,
        }


def _sample(rows: Sequence[dict[str, Any]], samples: int | None) -> Sequence[dict[str, Any]]:
    if not samples or len(rows) <= samples:
        return rows
    return [rows[i * len(rows) // samples] for i in range(samples)]
