"""What `wandb-track doctor` prints: what a user or a maintainer has to know before anything else; never a key."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.parse import urlsplit

from wandb_track_core._wandb import PRIVATE_NAMES
from wandb_track_core.errors import TrackError
from wandb_track_core.offline._runs import find_runs
from wandb_track_core.offline._sync._plan import is_synced

_PACKAGES = ("core", "serializers", "flyte", "metaflow")
_OTHERS = ("wandb", "protobuf", "metaflow", "flytekit")
_SWITCHES = ("WANDB_MODE", "WANDB_DISABLED", "WANDB_SILENT", "WANDB_DIR", "WANDB_ENTITY", "WANDB_PROJECT")
"""What changes where runs go, and holds no secret."""


def doctor(paths: list[Path], *, as_json: bool) -> int:
    """Print what is installed, reachable, waiting and switched off; returns the exit status: 1 without a server."""
    names = [f"wandb-track-{name}" for name in _PACKAGES] + list(_OTHERS)
    versions = {"python": platform.python_version(), **{name: found for name in names if (found := _version(name))}}
    server = _server()
    runs = find_runs(*paths)
    waiting = [run for run in runs if not all(part.is_online for part in run.fragments) and not is_synced(run)]
    facts: dict[str, Any] = {
        "versions": versions,
        "server": server,
        "offline runs": {
            "searched": [str(path.resolve()) for path in paths],
            "found": len(runs),
            "waiting for a sync": len(waiting),
            "damaged": sum(run.state == "damaged" for run in runs),
        },
        "environment": {name: os.environ[name] for name in _SWITCHES if os.environ.get(name)},
        "switched off by wandb": {str(number): lost for number, lost in enumerate(_switched_off(), 1)},
    }
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    else:
        for title, lines in facts.items():
            sys.stdout.write(f"{title}\n")
            for name, value in lines.items() or [("nothing", "")]:
                text = ", ".join(value) if isinstance(value, list) else str(value)
                sys.stdout.write(f"  {name:<24}{text}".rstrip() + "\n")
    return 0 if server["reachable"] else 1


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _server() -> dict[str, Any]:
    import wandb

    from wandb_track_core.offline._sync._server import Server

    try:
        address = urlsplit(str(wandb.setup().settings.base_url))
    except ValueError as error:
        return {"reachable": False, "advice": " ".join(f"WANDB_BASE_URL cannot be used: {error}".split())}
    # An address may hold a password.
    facts: dict[str, Any] = {"url": f"{address.scheme}://{address.hostname or ''}", "reachable": False}
    if address.port:
        facts["url"] += f":{address.port}"
    try:
        server = Server()
    except TrackError as error:
        advice = " ".join(str(error).split())
        if advice.startswith("cannot ask"):  # else the client is too old to be asked
            facts["logged in"] = "No API key" not in advice
        return {**facts, "advice": advice}
    return {**facts, "reachable": True, "logged in": True, "entity": server.entity}


def _switched_off() -> list[str]:
    """What is off because the installed client lacks a private name that it rests on."""
    found = []
    for name in PRIVATE_NAMES:
        if name.lost and not name.path.startswith(("Run:", "Session:")):  # these need an open run
            try:
                resolve_name(name.path)
            except (ImportError, AttributeError):
                found.append(name.lost)
    return found
