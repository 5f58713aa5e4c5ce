"""Train a small network on the digits data with PyTorch in Metaflow, and keep model and lineage in W&B.

    python examples/torch_digits/flow.py run

Without a W&B login, say WANDB_MODE=offline: all is kept on disk, and `wandb-track sync .` brings it to the server.
"""

import pandas as pd
from metaflow import FlowSpec, Parameter, step
from wandb_track_metaflow import current_run, wandb_log


@wandb_log(datasets=True, models=True, project="wandb-track-demo", tags=["digits"])
class DigitsFlow(FlowSpec):
    """Load, train, evaluate: three runs in one group, tied by the exact versions of data and model."""

    epochs = Parameter("epochs", default=5)
    hidden = Parameter("hidden", default=32)

    @step
    def start(self):
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        frame = load_digits(as_frame=True).frame
        self.train_data, self.test_data = train_test_split(frame, test_size=0.25, random_state=0)
        self.next(self.train)

    @step
    def train(self):
        import torch

        torch.manual_seed(0)
        features, target = tensors(self.train_data)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(features.shape[1], self.hidden), torch.nn.ReLU(), torch.nn.Linear(self.hidden, 10)
        )
        optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        for _ in range(self.epochs):
            for batch in torch.randperm(len(features)).split(64):
                loss = torch.nn.functional.cross_entropy(self.model(features[batch]), target[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            current_run().log({"loss": loss.item()})
        self.next(self.end)

    @step
    def end(self):
        import torch

        features, target = tensors(self.test_data)
        with torch.no_grad():
            predicted = self.model(features).argmax(dim=1)
        self.test_accuracy = float((predicted == target).float().mean())
        print(f"accuracy on unseen digits: {self.test_accuracy:.3f}")


def tensors(frame: pd.DataFrame):
    """Pixels from 0 to 1, and the digit that they show."""
    import torch

    pixels = torch.tensor(frame.drop(columns="target").to_numpy(), dtype=torch.float32) / 16
    return pixels, torch.tensor(frame["target"].to_numpy())


if __name__ == "__main__":
    DigitsFlow()
