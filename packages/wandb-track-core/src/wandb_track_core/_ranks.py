"""Distributed tasks: which of several processes that run one task opens its run.

torchrun, and Flyte's Elastic task through it, tell each process its place by the environment variables RANK and
WORLD_SIZE (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables).
"""

from __future__ import annotations

import os
from typing import Any, Literal

from .identity import TaskIdentity

Ranks = Literal["first", "all", "shared"]


def rank_of(identity: TaskIdentity) -> int | None:
    """The process's place among those that run the task; None where it is the only one."""
    if identity.rank is not None:
        return identity.rank
    rank, size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return int(rank) if rank.isdigit() and size.isdigit() and int(size) > 1 else None


def of_rank(identity: TaskIdentity, rank: int) -> TaskIdentity:
    """The identity of one process's own run, among the runs of the task's other processes.

    Returns:
        An identity with the rank in id and name, and with a group that all processes share.
    """
    own = f"rank{rank}"
    return identity._replace(
        key=(*identity.key, own) if identity.key else (),
        platform_id=f"{identity.platform_id}-{own}" if identity.platform_id else "",
        indices=(*identity.indices, own),
        execution=identity.execution or os.environ.get("TORCHELASTIC_RUN_ID", ""),
    )


def shared_settings(rank: int) -> dict[str, Any]:
    """Settings of a process that writes to a run together with others."""
    return {"x_label": f"rank{rank}", "x_primary": rank == 0, "x_update_finish_state": rank == 0}
