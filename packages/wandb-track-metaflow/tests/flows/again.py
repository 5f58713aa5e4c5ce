"""A step whose attempts continue one run."""

from metaflow import FlowSpec, current, retry, step
from wandb_track_metaflow import current_run, wandb_log


class Again(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @wandb_log(resume="allow", project="again")
    @step
    def start(self):
        self.attempt = current.retry_count
        self.same = "in both"
        current_run().log({"loss": 1.0 - current.retry_count})
        if current.retry_count == 0:
            raise ValueError("not yet")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Again()
