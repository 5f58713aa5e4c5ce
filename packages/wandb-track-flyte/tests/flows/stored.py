"""A task that logs a value as an artifact."""

import tempfile
from pathlib import Path

from flytekit import Secret, task
from wandb_track_core.adapters import artifact_folder, log_artifact
from wandb_track_flyte import current_run, wandb_init
from wandb_track_serializers import to_artifact


@wandb_init(project="stored", entity="acme", secret=Secret(group="wandb", key="WANDB_API_KEY"))
@task
def produce(text: str) -> int:
    notes = Path(tempfile.mkdtemp(), "notes.txt")
    notes.write_text(text)
    run = current_run()
    folder = artifact_folder(run, "notes")
    log_artifact(run, to_artifact("notes", notes, datasets=True, directory=folder), ["mine"], folder)
    run.log({"length": len(text)})
    return len(text)
