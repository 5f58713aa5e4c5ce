"""The port: the only folder of this project that touches a run of the wandb client.

It stands on the client's public API. The private names that it also uses are in one table (`_private`), and each of
them is optional. What stands in for a function of the client passes on all arguments, those that it does not know too.

- `_load` imports the client, `_open` opens a run;
- `_guard`, with `_classes`, keeps a run going when the client's service process (`_service`) dies;
- `_module` and `_init` are what `wandb.log`, `wandb.init` and `wandb.agent` mean inside a task;
- `_adopt` keeps the files of an offline run together, `_uploads` waits for those of an online one;
- `_session_key` keeps a run's key its own; `_speedups` gives the same answers in less time; `_errors` tells whose
  fault an error is.
"""

from ._errors import (
    is_missing_login,
    is_mistake_of_the_user,
    is_server_fault,
    is_service_fault,
    is_taken,
    name_what_was_refused,
)
from ._guard import Guard
from ._init import functions_of
from ._load import ClientError, load
from ._module import MODULE_NAMES, follow_context_once_imported
from ._open import folder_of, loss_of, mute_client, open_run
from ._private import PRIVATE_NAMES, PrivateName
from ._service import release, replace_service
from ._uploads import wait_for_uploads

__all__ = [
    "MODULE_NAMES",
    "PRIVATE_NAMES",
    "ClientError",
    "Guard",
    "PrivateName",
    "folder_of",
    "follow_context_once_imported",
    "functions_of",
    "is_missing_login",
    "is_mistake_of_the_user",
    "is_server_fault",
    "is_service_fault",
    "is_taken",
    "load",
    "loss_of",
    "mute_client",
    "name_what_was_refused",
    "open_run",
    "release",
    "replace_service",
    "wait_for_uploads",
]
