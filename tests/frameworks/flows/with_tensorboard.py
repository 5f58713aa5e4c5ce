def train(folder):
    import wandb
    from torch.utils.tensorboard import SummaryWriter

    wandb.init(project="other-project", sync_tensorboard=True)
    writer = SummaryWriter(folder)
    for step in range(3):
        writer.add_scalar("loss", 1 / (step + 1), step)
    writer.close()
    return 3
