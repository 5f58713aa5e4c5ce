"""Three small steps, tracked in the way that the variable VARIANT names."""

import functools
import os

from metaflow import FlowSpec, step

VARIANT = os.environ["VARIANT"]
if os.environ.get("HEAVY"):
    import torch  # noqa: F401


def plain(function):
    """Track nothing."""
    return function


def by_hand(function):
    """Track as users write it by hand: open a run, log what was set, finish it."""

    @functools.wraps(function)
    def call(self):
        import wandb
        from metaflow import current

        run = wandb.init(group=f"{current.flow_name}/{current.run_id}", job_type=current.step_name)
        try:
            function(self)
            run.summary["value"] = self.value
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish()

    return call


tracked = {"untracked": plain, "by hand": by_hand}.get(VARIANT, plain)


class BenchmarkFlow(FlowSpec):
    """Three small steps."""

    @step
    @tracked
    def start(self):
        """Set a value."""
        self.value = 1
        self.next(self.middle)

    @step
    @tracked
    def middle(self):
        """Change it."""
        self.value += 1
        self.next(self.end)

    @step
    @tracked
    def end(self):
        """Change it again."""
        self.value += 1


if VARIANT == "peer":
    from wandb.integration.metaflow import wandb_log

    BenchmarkFlow = wandb_log(datasets=True, models=True)(BenchmarkFlow)
elif VARIANT == "wandb-track":
    from wandb_track_metaflow import wandb_log

    BenchmarkFlow = wandb_log(datasets=True, models=True)(BenchmarkFlow)

if __name__ == "__main__":
    BenchmarkFlow()
