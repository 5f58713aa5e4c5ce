"""The server's side of a sync, by the client's public API and its own `wandb sync`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wandb_track_core import _wandb
from wandb_track_core.errors import TrackError
from wandb_track_core.offline._artifacts import Artifact
from wandb_track_core.offline._graph import Name, consumed, name_on_server
from wandb_track_core.offline._runs import OfflineRun

from ._rewrite import Continuation, Remote

if TYPE_CHECKING:
    import wandb

TIMEOUT = 30
"""Seconds that a question to the server may take."""
OLDEST = (0, 31)
"""The first client whose `wandb sync` brings all of a run to the server; older ones may have written the run."""
GREETING = 8
"""Seconds in which the server has to answer the first one."""
_NOT_THERE = re.compile("not found|does not contain|does not exist|no artifact", re.IGNORECASE)
"""How servers and clients of all versions say that there is no such version of an artifact."""
_TAIL = 2000
_SETTLE = 10.0
"""Seconds that a server may take to see the end of a run whose sync is over."""
_POLL = 0.2


class ServerError(TrackError):
    """The server cannot be used, or does not hold what it should."""


class Server:
    """A W&B server, with the user's own login.

    Attributes:
        url: Its API address.
        entity: That of runs which name none.

    Raises:
        ServerError: Nobody is logged in, the server does not answer, or the client is too old.
    """

    def __init__(self) -> None:
        import wandb

        if tuple(int(part) for part in wandb.__version__.split(".")[:2]) < OLDEST:
            raise ServerError(
                f"wandb {wandb.__version__} forgets how runs ended, or counts the steps of a continued run anew, when"
                " it syncs: install 0.31 or later"
            )
        self._local = threading.local()
        self._versions: dict[str, Any] = {}
        try:
            api = wandb.Api(timeout=GREETING)
            self.url, self.entity = str(api.settings["base_url"]), str(api.default_entity or "")
        except Exception as error:
            # The client's service may go on trying for minutes, for which this process would wait at its end.
            _wandb.replace_service()
            raise ServerError(f"cannot ask the server: {error}") from error

    @property
    def _api(self) -> wandb.Api:
        import wandb

        if not hasattr(self._local, "api"):
            self._local.api = wandb.Api(timeout=TIMEOUT)
        api: wandb.Api = self._local.api
        return api

    def find(self, run: OfflineRun) -> Any:
        """The run as the server has it now; None where there is none."""
        self._api.flush()  # type: ignore[no-untyped-call]
        try:
            return self._api.run(f"{run.entity}/{run.project}/{run.id}")
        except Exception as error:
            if "could not find" in str(error).lower():
                return None
            raise ServerError(f"cannot ask the server for the run: {error}") from error

    def remote(self, run: OfflineRun) -> Remote | None:
        """What the server has of a run before it is synced."""
        there = self.find(run)
        if there is None:
            return None
        last = _time_of_row(there, there.lastHistoryStep)
        is_begun = last is not None and last >= run.fragments[0].started
        return Remote(_time_of_row(there, 0), frozenset(_times(there) if is_begun else ()))

    def upload(self, folders: list[Path], keep_open: list[int], progress: Callable[[int], None]) -> str:
        """Let the client sync folders that hold a log each.

        Args:
            folders: The folders.
            keep_open: File descriptors of locks: the child keeps them, too, should this process be killed.
            progress: Called with the number of runs that are done so far.

        Returns:
            The end of what the client printed.
        """
        environment = {key: value for key, value in os.environ.items() if key not in ("WANDB_MODE", "WANDB_SILENT")}
        log = folders[0].parent.parent / "wandb-sync.log"
        with log.open("w+b") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "wandb", "sync", *map(str, folders)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=keep_open,
            )
            try:
                while child.poll() is None:
                    progress(sum(has_sync_marker(folder) for folder in folders))
                    time.sleep(_POLL)
            except BaseException:
                child.terminate()
                child.wait()
                raise
        return log.read_text(errors="replace")[-_TAIL:]

    def check(self, run: OfflineRun, how: Continuation) -> Iterator[str]:
        """One line for each part of a run that did not reach the server."""
        there = self.find(run)
        if there is None:
            yield "the run is not on the server"
            return
        deadline = time.monotonic() + _SETTLE
        while there.state == "running" and time.monotonic() < deadline:
            time.sleep(_POLL)
            there = self.find(run)
        if there.state == "running":
            # Rows and end come in one stream. The client says that all is well also where a server refuses it.
            yield "its rows and its end did not arrive whole: the server or a proxy refused them, or it runs there"
        states = {}
        for artifact in there.logged_artifacts():
            states[artifact.name.rpartition(":")[0], artifact.digest] = artifact.state
        for part in run.fragments:
            for made in part.artifacts:
                name = name_on_server(run, made.name, made.type)[2]
                state = states.get((name, made.digest)) or self._state_of(run, name, made)
                if state != "COMMITTED":
                    yield f"artifact {made.name} is {state.lower()} on the server"
        if how.there and "_step" not in there.summary and there.lastHistoryStep >= 0:
            # All rows were there: the client, which was given none, does not know it.
            there.summary.update({"_step": there.lastHistoryStep})

    def type_of(self, name: Name) -> str:
        """The type of the artifacts of a name; empty where there are none, or the server does not tell."""
        try:
            return str(self._api.artifact(f"{'/'.join(name)}:latest").type)
        except Exception:
            return ""

    def _state_of(self, run: OfflineRun, name: str, made: Artifact) -> str:
        """Of a version that is none of the run's: the server gives equal contents to the run that logged them first."""
        versions = self._api.artifacts(made.type, f"{run.entity}/{run.project}/{name}")
        try:
            return next((str(one.state) for one in versions if one.digest == made.digest), "missing")
        except Exception as error:
            if _NOT_THERE.search(str(error)):
                return "missing"
            raise

    def add_inputs(self, run: OfflineRun) -> tuple[list[tuple[Name, str]], list[str]]:
        """Link what a run consumed, on the server.

        Returns:
            The versions that the server does not know (their task may not have been tracked); and one line for each
            input that could not be linked for another reason.
        """
        unknown: list[tuple[Name, str]] = []
        failed: list[str] = []
        wanted = consumed(run)
        if not wanted:
            return unknown, failed
        found = self.find(run)
        there = {artifact.id for artifact in found.used_artifacts()}
        for name, alias in wanted:
            reference = f"{'/'.join(name)}:{alias}"
            try:
                artifact = self._version(reference)
                if artifact.id not in there:
                    found.use_artifact(artifact)
                    there.add(artifact.id)
            except Exception as error:
                if _NOT_THERE.search(str(error)):
                    unknown.append((name, alias))
                else:
                    failed.append(f"its input {reference} cannot be linked: {error}")
        return unknown, failed

    def _version(self, reference: str) -> Any:
        if reference not in self._versions:
            artifact = self._api.artifact(reference)
            if artifact.state != "COMMITTED":
                raise ServerError(f"it is {artifact.state.lower()}")
            self._versions[reference] = artifact
        return self._versions[reference]


def has_sync_marker(folder: Path) -> bool:
    """Whether the client says that it synced this folder."""
    return any(folder.glob("*.wandb.synced"))


def _time_of_row(run: Any, step: int) -> float | None:
    return next(_times(run, page_size=1, min_step=max(step, 0)), None)


def _times(run: Any, **pages: int) -> Iterator[float]:
    return (float(row["_timestamp"]) for row in run.scan_history(keys=["_timestamp"], **pages))
