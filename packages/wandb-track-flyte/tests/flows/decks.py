"""Tasks with a Deck, tracked above and below `@task`."""

import wandb
from flytekit import task
from wandb_track_flyte import wandb_init

TRACKED = {"project": "p", "entity": "e", "secret": lambda: "k" * 40}


def train(fails: bool) -> int:
    """Log a curve, and fail if asked to."""
    for step in range(5):
        wandb.log({"loss": 1 / (step + 1)})
    if fails:
        raise ValueError("no luck")
    return 42


@wandb_init(**TRACKED, parameters=True)
@task(enable_deck=True)
def above(fails: bool) -> int:
    return train(fails)


@task(enable_deck=True)
@wandb_init(**TRACKED)
def below(fails: bool) -> int:
    return train(fails)


@wandb_init(**TRACKED, deck=True)
@task
def asked(fails: bool) -> int:
    return train(fails)


@wandb_init(**TRACKED)
@task
def without(fails: bool) -> int:
    return train(fails)


@wandb_init(**TRACKED)
@task(enable_deck=True)
async def waiting(fails: bool) -> int:
    return train(fails)


@wandb_init(**TRACKED, deck=True)
@task
def outer(fails: bool) -> int:
    return asked(fails=fails)
