"""Flyte tasks: one logs a value of each kind, another one of the same execution uses them."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from flytekit import task
from wandb_track_flyte import wandb_init, wandb_track, wandb_use

PLACE = {"project": "kinds", "entity": "acme", "secret": lambda: os.environ.get("WANDB_API_KEY")}


@wandb_init(**PLACE)
@task
def produce() -> int:
    import numpy as np
    import pandas as pd
    from sklearn.tree import DecisionTreeClassifier

    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 0, 1]})
    notes = Path(tempfile.mkdtemp(), "notes.txt")
    notes.write_text("notes")
    wandb_track("table", table)
    wandb_track("array", np.arange(4))
    wandb_track("notes", notes, aliases=["mine"])
    wandb_track("tree", DecisionTreeClassifier(random_state=0).fit(table[["x"]], table["y"]))
    wandb_track("pair", slice(1, 4))
    wandb_track("rows", len(table))
    if find_spec("torch"):
        import torch

        net = torch.nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            net.weight.fill_(0.5)
        wandb_track("net", net)
        wandb_track("weights", net, format="safetensors")
    return len(table)


@wandb_init(**PLACE)
@task
def consume() -> list[int]:
    table = wandb_use("table", load=True)
    tree = wandb_use("tree", load=True, trusted=True)
    wandb_use("notes", "mine")
    return [int(label) for label in tree.predict(table[["x"]])]
