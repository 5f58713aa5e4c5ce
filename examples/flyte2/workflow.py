"""Score three learning rates with Flyte 2, one run each.

WANDB_MODE=offline python examples/flyte2/workflow.py
"""

import flyte
from tracking import wandb_config, wandb_init
from wandb_track_core import current_run

env = flyte.TaskEnvironment(name="rates")


@wandb_init
@env.task(retries=1)
async def score(rate: float) -> float:
    """Walk down x squared; the run holds each step."""
    x = 1.0
    for _ in range(10):
        x -= rate * 2 * x
        current_run().log({"loss": x * x})
    return x * x


@wandb_init(project="wandb-track-demo")
@env.task
async def select(rates: list[float]) -> float:
    """The best rate. The children get their project from here."""
    with wandb_config(project="wandb-track-demo"):
        losses = {rate: await score(rate) for rate in rates}
    best = min(losses, key=losses.get)
    current_run().summary["best"] = best
    return best


if __name__ == "__main__":
    flyte.init()
    print(flyte.run(select, rates=[0.01, 0.1, 0.4]).outputs())
