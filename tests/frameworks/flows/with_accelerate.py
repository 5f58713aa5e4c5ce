def train(folder):
    from accelerate import Accelerator

    accelerator = Accelerator(log_with="wandb", cpu=True)
    accelerator.init_trackers("other-project", config={"rate": 0.1})
    for step in range(3):
        accelerator.log({"loss": 1 / (step + 1)}, step=step)
    accelerator.end_training()  # finishes the run in its own view
    return 3
