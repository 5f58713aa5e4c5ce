"""What `spin` does with a tracked step: it runs only the decorators that Metaflow lets it run."""

from __future__ import annotations

import sys
from functools import cache


@cache
def keep_quiet() -> None:
    """Let the step run untracked where `spin` does not run `wandb_log`: its calls of W&B do nothing."""
    from wandb_track_core.adapters import fuse, notify_once

    from ._metaflow_internals import spin_runs
    from ._step import open_quiet_run

    if "--skip-decorators" not in sys.argv and spin_runs("wandb_log"):
        return
    with fuse("preparing an untracked step"):
        open_quiet_run()
        notify_once(
            "spin runs this step without decorators, so it is not tracked, and W&B calls do nothing. To track it, add"
            ' "wandb_log" to the list METAFLOW_SPIN_ALLOWED_DECORATORS.'
        )
