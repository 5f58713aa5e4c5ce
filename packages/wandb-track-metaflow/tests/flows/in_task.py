"""What people, frameworks and other decorators do inside a tracked step."""

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import wandb
from joblib import Parallel, delayed
from metaflow import FlowSpec, catch, retry, step
from wandb_track_metaflow import current_run, wandb_log, wandb_track, wandb_use


def log_in_child(run):
    run.log({"child": 1})


class Handle:
    """A library's object that keeps the bound method of a run."""

    def __init__(self, log):
        self.log = log


@wandb_log(datasets=True, models=True, others=True, project="in-task")
class InTask(FlowSpec):
    """Each step does some of what a user's code, a framework or another decorator does."""

    @staticmethod
    def helper(number):
        """A function of the flow that other processes call."""
        return number + 1

    @step
    def start(self):
        run = current_run()
        Path("m.bin").write_text("weights")
        run.log_model("m.bin", name="a")
        wandb.log_model(path="m.bin")
        run.log_artifact("m.bin", name="b", type="model")
        assert wandb.init(project="in-task", config={"own": 3}, tags=["mine"], name="own name", notes="note") is run
        thread = threading.Thread(target=lambda: (wandb.log({"thread": 1}), current_run().log({"thread": 2})))
        thread.start()
        thread.join()
        run.define_metric("loss", summary="min")
        for loss in (0.5, 0.25, 0.75):
            wandb.log({"loss": loss})
        Handle(run.log).log({"handle": 1})
        run.config.update({"lr": 0.1})
        wandb.config.depth = 4
        wandb.summary["best"] = 0.25
        self.next(self.own)

    @step
    def own(self):
        task_run = wandb.run
        Path(f"{wandb.run.name}.txt").write_text("a run's name names a file")
        wandb.Artifact(f"model-{wandb.run.name}", type="model")
        with wandb.init(reinit=True, id="extra") as extra:
            extra.log({"extra": 1})
        assert wandb.run is task_run
        wandb.init(reinit="create_new", id="second").finish()
        assert wandb.run is task_run
        with wandb.init(id=task_run.id) as same:
            assert same is task_run
        assert wandb.run is None
        self.late = [1, 2]
        wandb_track("tracked_late", 3)
        wandb_track("late_bytes", b"123")
        wandb_use("elsewhere", "v3")
        self.next(self.processes)

    @step
    def processes(self):
        assert Parallel(n_jobs=2)(delayed(InTask.helper)(number) for number in (1, 2)) == [2, 3]
        for method in ("fork", "spawn"):
            context = multiprocessing.get_context(method)
            child = context.Process(target=log_in_child, args=(wandb.run,))
            child.start()
            child.join()
            assert child.exitcode == 0
        code = "import wandb; wandb.init(mode='offline', id='child', project='in-task').finish()"
        subprocess.run([sys.executable, "-c", code], check=True)
        self.next(self.left_open)

    @catch(var="failed")
    @step
    def left_open(self):
        wandb.init(reinit=True, id="left-open").log({"left": 1})
        if current_run():
            raise ValueError("on purpose")
        self.next(self.again)

    @retry(times=1, minutes_between_retries=0)
    @step
    def again(self):
        assert "on purpose" in str(self.failed)
        wandb.log({"attempt": wandb.config["metaflow"]["attempt"]})
        if not wandb.config["metaflow"]["attempt"]:
            raise ValueError("the first attempt fails")
        self.next(self.end)

    @step
    def end(self):
        disabled = wandb.init(mode="disabled", reinit=True)
        disabled.log({"nowhere": 1})
        disabled.finish()
        wandb.run.log({"somewhere": 1})
        print("RESULT", self.late)


if __name__ == "__main__":
    InTask()
