"""A run that takes everything and does nothing: for tasks that are not tracked, at no cost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any


class QuietMapping(dict[str, Any]):
    """The config or summary of a quiet run: keeps what it is given, readable as items and attributes."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take a mapping, like `wandb.config.update`; the client's own options are ignored."""
        kwargs.pop("allow_val_change", None)
        values = args[0] if args else None
        super().update(values if isinstance(values, Mapping) else getattr(values, "__dict__", {}), **kwargs)

    def setdefaults(self, values: Mapping[str, Any]) -> None:
        """Take what is not there yet, like `wandb.config.setdefaults`."""
        self.update({**values, **self})

    def as_dict(self) -> dict[str, Any]:
        """A plain copy, like `wandb.config.as_dict`."""
        return dict(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self:
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class _Quiet:
    """What can be entered, and has every attribute: one that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _NOTHING

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class _Nothing(_Quiet):
    """The answer of every method: can be called, entered, iterated, waited for; never holds anything."""

    def __call__(self, *args: Any, **kwargs: Any) -> _Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False


_NOTHING = _Nothing()


class QuietRun(_Quiet):
    """Stands where a `wandb.Run` would, without a service, a file or an import of wandb.

    Where the client's own disabled run has a text or a number, this has one, too.

    Attributes:
        id: One that nobody else has. It names no run.
        config: What the user put there, so that code which reads its config back goes on working.
        summary: Likewise.
        disabled: True, as a disabled run of the client says of itself.
    """

    project = entity = "dummy"
    group = job_type = ""
    notes = url = project_url = sweep_id = sweep_url = None
    tags: tuple[str, ...] = ()
    offline = resumed = False
    disabled = True
    step = starting_step = 0

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = QuietMapping(config or {})
        self.summary = QuietMapping()
        self.id = os.urandom(4).hex()
        self.name = f"dummy-{self.id}"
        self.path = f"{self.entity}/{self.project}/{self.id}"
        self.start_time = time.time()

    @cached_property
    def dir(self) -> str:
        """An empty folder, made when it is asked for, and removed with the run."""
        import shutil
        import tempfile
        import weakref

        folder = tempfile.mkdtemp(prefix="wandb-track-quiet-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @property
    def sync_dir(self) -> str:
        """The same folder."""
        return self.dir

    def log(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        """Do nothing, as `wandb.Run.log` would log."""

    def finish(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing, as there is nothing to finish."""

    def __repr__(self) -> str:
        return "<QuietRun: this task is not tracked>"
