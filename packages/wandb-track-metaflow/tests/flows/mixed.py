"""Steps with and without tracking side by side, in branches, behind Metaflow's own step decorators, and resumed."""

import os

from metaflow import FlowSpec, Parameter, card, current, environment, step, user_step_decorator

if "UNTRACKED" in os.environ:

    def wandb_log(**arguments):
        return lambda function: function
else:
    from wandb_track_metaflow import wandb_log

track = wandb_log(datasets=True, models=True, others=True, exclude=["keys"])


def words(count):
    """A frame whose pickled bytes differ from those of what was loaded from them."""
    import pandas as pd

    days = pd.date_range("2026-01-01", periods=count)
    return pd.DataFrame({"word": [str(number) for number in range(count)], "day": days})


@user_step_decorator
def peek(step_name, flow, inputs=None, attr=None):
    """Reads before the step's code, and after it."""
    flow.before = len(flow.early)
    yield
    flow.after = len(flow.late)


class Mixed(FlowSpec):
    metaflow = Parameter("metaflow", default="named like our key")

    @track
    @step
    def start(self):
        from sklearn.datasets import make_classification
        from sklearn.ensemble import RandomForestClassifier

        self.frame, self.early, self.late, self.edited = words(3), words(4), words(5), words(6)
        self.forest = RandomForestClassifier(2, random_state=0).fit(*make_classification(20, random_state=0))
        self.gone = [1]
        self.keys = ["hush1", "hush2"]
        self.next(self.tracked, self.untracked)

    @track
    @step
    def tracked(self):
        self.one = len(self.frame) + self.forest.n_features_in_
        self.next(self.merge)

    @step
    def untracked(self):
        self.other = len(self.frame) + self.forest.n_features_in_
        self.next(self.merge)

    @step
    def merge(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.off)

    @wandb_log(datasets=True, settings={"mode": "disabled"})
    @step
    def off(self):
        self.rows = len(self.frame)
        self.next(self.wrapped)

    @peek
    @track
    @environment(vars={"A": "b"})
    @card
    @step
    def wrapped(self):
        from metaflow.cards import Markdown

        current.card.append(Markdown("# hi"))
        if hasattr(self, "gone"):
            del self.gone
        self.edited = self.edited.iloc[:2]
        self.next(self.fan, foreach="keys")

    @track
    @step
    def fan(self):
        self.length = len(self.input) + len(self.frame)
        self.next(self.gather)

    @track
    @step
    def gather(self, inputs):
        self.lengths = [each.length for each in inputs]
        self.merge_artifacts(inputs, exclude=["length"])
        self.next(self.last)

    @track
    @step
    def last(self):
        self.total = len(self.frame) + self.forest.n_features_in_ + len(self.edited)
        if "FAIL" in os.environ:
            raise RuntimeError("for now")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Mixed()
