"""What the tests of the command line sync: tasks of an imaginary orchestrator, tracked in a process of their own."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import wandb
from wandb_track_core import TaskIdentity, TrackedRun
from wandb_track_core.adapters import artifact_folder, log_artifact, use_artifact


def tracked(task, attempt=0, execution="e1", **arguments):
    identity = TaskIdentity("chain", task, key=(execution, task), workflow="w", execution=execution, attempt=attempt)
    return TrackedRun(identity, **{"project": "p", **arguments})


def make(run, name, contents, aliases=()):
    folder = artifact_folder(run, name)
    (folder / "data.txt").write_text(contents)
    artifact = wandb.Artifact(name, "dataset", metadata={"length": len(contents)}, description=f"about {name}")
    artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
    log_artifact(run, artifact, aliases, folder)
    if not run.offline:
        artifact.wait()


def produce(execution="e1", text="hello", **arguments):
    with tracked(
        "produce", execution=execution, **arguments, config={"lr": 0.1}, tags=["a", "b"], notes="of the user"
    ) as run:
        make(run, "data", text, [f"key-{text}"])
        for step in range(3):
            run.log({"loss": 1 / (step + 1), "nested": {"step": step}})
        run.summary["best"] = 0.25


def own():
    """The user's own calls, of which only the client knows."""
    with tracked("own") as run:
        Path("own.txt").write_text("own")
        artifact = wandb.Artifact("own", "other")
        artifact.add_file("own.txt")
        run.log_artifact(artifact)
        Path("saved.txt").write_text("saved")
        run.save("saved.txt")
        run.log({"page": wandb.Html("<p>page</p>"), "table": wandb.Table(columns=["a"], data=[[1]])})


def consume(execution="e1", text="hello", **arguments):
    with tracked("consume", execution=execution, **arguments) as run:
        use_artifact(run, "data", f"key-{text}")
        make(run, "model", f"trained on {text}")
        run.log({"accuracy": 0.9})


def retype():
    """A variable that was a frame is an array now."""
    with tracked("retype") as run:
        folder = artifact_folder(run, "data")
        (folder / "data.npy").write_text("1 2 3")
        artifact = wandb.Artifact("data", "array")
        artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
        log_artifact(run, artifact, ["key-array"], folder)


def use(name, alias, type):
    with tracked("use") as run:
        use_artifact(run, name, alias, type)


def fail():
    with tracked("fail") as run:
        run.log({"loss": 3.0})
        raise ValueError("no luck")


def resume(attempt):
    with tracked("resume", attempt, resume="allow") as run:
        for step in range(3):
            run.log({"value": 10 * attempt + step})


def live():
    """A run that goes on only once it is told to."""
    with tracked("live") as run:
        for step in range(6):
            run.log({"value": step})
            if step == 2:
                make(run, "early", "early")
                while not Path("go").exists():
                    time.sleep(0.05)
        make(run, "late", "late")


def everything():
    produce()
    own()
    with suppress(ValueError):
        fail()
    resume(0)
    resume(1)
    consume()
    produce("e2", "other")
    consume("e2", "other")


if __name__ == "__main__":
    os.chdir(os.environ["WANDB_DIR"])
    for call in sys.argv[1:]:
        eval(call)
