"""What the package of an orchestrator needs beyond `TrackedRun` and `TaskIdentity`.

Checked policies, names that W&B accepts, artifacts of a run with their lineage, and one line to the user.
"""

from ._names import legal_alias, legal_artifact_name, legal_id, legal_tags
from ._notify import notify
from ._policy import OnError, check_policy
from ._ranks import Ranks
from .errors import unexpected_argument
from .lineage import artifact_folder, log_artifact, read_lineage, run_folder, use_artifact

__all__ = [
    "OnError",
    "Ranks",
    "artifact_folder",
    "check_policy",
    "legal_alias",
    "legal_artifact_name",
    "legal_id",
    "legal_tags",
    "log_artifact",
    "notify",
    "read_lineage",
    "run_folder",
    "unexpected_argument",
    "use_artifact",
]
