"""All that this project does with the wandb client beyond its public API, in one place.

What has no public API, and why it is needed:

- settings named `x_*`, and a timeout in `wandb.sdk.lib.identity`: the only way to bound what a kill loses, and how
  long a login may take (`_open`);
- the names of the `wandb` module (`wandb.log`, `wandb.config`): a run that is opened with `reinit="create_new"`
  does not become what they mean (`_module`);
- `wandb.sdk.lib.wbauth`: `wandb.init` makes the key of one run the credential of the whole session (`_credentials`);
- `wandb.sdk.wandb_setup` and the connection to the service process: to let go of a run that failed to open, and to
  leave a process behind that died or hangs (`_service`);
- `wandb.util.working_set` and the search for staged launch inputs: the same answers in less time (`_speed`);
- a run's interface to the service, and the handles of its uploads: to keep faults out of the user's code, and to
  hear of an upload that failed (`_guard`);
- the declaration of a run to the service, and its settings: to go on where the service died (`_successor`), or in
  silence (`_silence`).
"""

from ._guard import Guard, settle
from ._module import MODULE_NAMES, follow_context_once_imported, names_of
from ._open import folder_of, is_finished, load, loss_of, open_run, timed_out
from ._service import (
    is_missing_login,
    is_mistake_of_the_user,
    is_service_fault,
    is_taken,
    name_what_was_refused,
    release,
    renew_service,
)

__all__ = [
    "MODULE_NAMES",
    "Guard",
    "folder_of",
    "follow_context_once_imported",
    "is_finished",
    "is_missing_login",
    "is_mistake_of_the_user",
    "is_service_fault",
    "is_taken",
    "load",
    "loss_of",
    "name_what_was_refused",
    "names_of",
    "open_run",
    "release",
    "renew_service",
    "settle",
    "timed_out",
]
