def train(folder, *callbacks):
    import lightning
    import torch
    from lightning.pytorch.loggers import WandbLogger

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, _):
            loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    points = torch.rand(16, 1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(points, 2 * points), batch_size=4)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        log_every_n_steps=1,
        enable_progress_bar=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
        logger=WandbLogger(log_model=True, save_dir=folder),
    )
    trainer.fit(Line(), data)
    return trainer.current_epoch
