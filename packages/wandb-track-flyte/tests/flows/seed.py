"""The example that users know, in the order in which the Flyte documentation has it, and in the other one."""

# ruff: noqa: RET504
import wandb
from flytekit import Secret, task, workflow
from wandb_track_flyte import wandb_init


@wandb_init(
    project="my-flyte-experiments",
    entity="my-team",
    secret=Secret(group="wandb", key="WANDB_API_KEY"),
    # Optional: Pass additional wandb.init arguments
    config={"learning_rate": 0.01, "epochs": 10},
    tags=["flyte", "example", "training"],
)
@task
def train_model(epochs: int) -> float:
    """
    A Flyte task that simulates model training and logs metrics to WandB.
    """
    print(f"Starting training for {epochs} epochs...")
    for epoch in range(epochs):
        loss = 1.0 / (epoch + 1)
        accuracy = 0.5 + (epoch * 0.05)
        wandb.log({"loss": loss, "accuracy": accuracy, "epoch": epoch})
        print(f"Epoch {epoch}: Loss = {loss:.4f}, Accuracy = {accuracy:.4f}")

    final_accuracy = 0.95
    wandb.log({"final_accuracy": final_accuracy})
    print("Training complete.")
    return final_accuracy


@task
@wandb_init(
    project="my-flyte-experiments",
    entity="my-team",
    secret=Secret(group="wandb", key="WANDB_API_KEY"),
    config={"learning_rate": 0.01, "epochs": 10},
    tags=["flyte", "example", "training"],
)
def train_model_below(epochs: int) -> float:
    """
    The same below `@task`.
    """
    for epoch in range(epochs):
        loss = 1.0 / (epoch + 1)
        accuracy = 0.5 + (epoch * 0.05)
        wandb.log({"loss": loss, "accuracy": accuracy, "epoch": epoch})

    final_accuracy = 0.95
    wandb.log({"final_accuracy": final_accuracy})
    return final_accuracy


@workflow
def training_workflow(num_epochs: int = 5) -> float:
    final_acc = train_model(epochs=num_epochs)
    return final_acc


@workflow
def training_workflow_below(num_epochs: int = 5) -> float:
    final_acc = train_model_below(epochs=num_epochs)
    return final_acc
