"""What the package of an orchestrator needs beyond `TrackedRun` and `TaskIdentity`.

Checked policies, names that W&B accepts, artifacts of a run with their lineage, and one line to the user.
"""

from ._bounded import bounded
from ._fuse import fuse, report_bug
from ._lineage import artifact_folder, log_artifact, read_lineage, run_folder, use_artifact
from ._names import legal_alias, legal_artifact_name, legal_id, legal_tags
from ._notify import FOLDER as NOTICES_FOLDER
from ._notify import notify, notify_once
from ._policy import OnError, check_policy
from ._ranks import Ranks
from .current import task_run
from .errors import unexpected_argument

__all__ = [
    "NOTICES_FOLDER",
    "OnError",
    "Ranks",
    "artifact_folder",
    "bounded",
    "check_policy",
    "fuse",
    "legal_alias",
    "legal_artifact_name",
    "legal_id",
    "legal_tags",
    "log_artifact",
    "notify",
    "notify_once",
    "read_lineage",
    "report_bug",
    "run_folder",
    "task_run",
    "unexpected_argument",
    "use_artifact",
]
