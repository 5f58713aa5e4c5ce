"""What frameworks do with wandb inside a task: each trains, logs by its framework alone, and returns a number."""

import numpy as np


def data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 4)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("int64")


def lightning():
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import WandbLogger

    class Model(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def training_step(self, batch, _):
            x, y = batch
            loss = torch.nn.functional.cross_entropy(self.layer(x), y)
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    x, y = map(torch.from_numpy, data())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16)
    logger = WandbLogger(log_model=True)
    trainer = Trainer(
        max_epochs=2, logger=logger, log_every_n_steps=1, accelerator="cpu", devices=1, enable_progress_bar=False
    )
    trainer.fit(Model(), loader)
    return trainer.global_step


def transformers():
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

    class Model(PreTrainedModel):
        config_class = PretrainedConfig

        def __init__(self, config):
            super().__init__(config)
            self.layer = torch.nn.Linear(4, 2)
            self.post_init()

        def forward(self, x=None, labels=None):
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    x, y = data()
    rows = [{"x": torch.tensor(one), "labels": int(label)} for one, label in zip(x, y, strict=True)]
    arguments = TrainingArguments("out", max_steps=4, logging_steps=1, report_to="wandb", use_cpu=True, save_steps=4)
    trainer = Trainer(Model(PretrainedConfig()), arguments, train_dataset=rows)
    trainer.train()
    return trainer.state.global_step


def accelerate():
    from accelerate import Accelerator

    accelerator = Accelerator(log_with="wandb", cpu=True)
    accelerator.init_trackers("ignored", config={"lr": 0.1})
    for step in range(3):
        accelerator.log({"train_loss": 1.0 / (step + 1)}, step=step)
    accelerator.end_training()
    return 3


def xgboost():
    import xgboost as xgb
    from wandb.integration.xgboost import WandbCallback

    x, y = data()
    matrix = xgb.DMatrix(x, label=y)
    parameters = {"objective": "binary:logistic", "eval_metric": "logloss"}
    callback = WandbCallback(log_model=True)
    xgb.train(parameters, matrix, num_boost_round=3, evals=[(matrix, "train")], callbacks=[callback])
    return 3


def sklearn():
    import wandb
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    x, y = data()
    scores = cross_val_score(RandomForestClassifier(5, n_jobs=2), x, y, n_jobs=2)
    wandb.log({"train_score": float(scores.mean())})
    wandb.sklearn.plot_confusion_matrix(y, y, ["no", "yes"])
    return len(scores)


EXPECTED = {
    "lightning": ("train_loss", 8),
    "transformers": ("train/loss", 4),
    "accelerate": ("train_loss", 3),
    "xgboost": ("train-logloss", 3),
    "sklearn": ("train_score", 5),
}
"""The metric that the framework logs, and the number that the function returns."""
