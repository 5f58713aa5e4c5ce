"""Much of what a flow can do: all kinds of parameters, inheritance, nested foreach, joins, changes in place."""

from pathlib import Path

from metaflow import Config, FlowSpec, IncludeFile, JSONType, Parameter, step
from wandb_track_metaflow import wandb_log, wandb_track, wandb_use


class Base(FlowSpec):
    """Has a step and helpers that the flow inherits."""

    @wandb_log(datasets=True, models=True, others=True)
    @step
    def inherited(self):
        self.from_base = "base"
        self.helped = self.helper(2)
        self.next(self.fan)

    @wandb_log
    @step
    def overridden(self):
        self.who = "base"
        self.next(self.end)

    def helper(self, number):
        return number * self.factor

    @property
    def factor(self):
        return 10

    @staticmethod
    def static(text):
        return text.upper()

    @classmethod
    def of_class(cls):
        return cls.__name__


@wandb_log(datasets=True, models=True, others=True, exclude=["secret_*"], tags=["nightly"])
class Everything(Base):
    lr = Parameter("lr", default=0.1)
    epochs = Parameter("epochs", default=3)
    kind = Parameter("kind", default="tree")
    grid = Parameter("grid", type=JSONType, default='{"depth": [1, 2]}')
    secret_word = Parameter("secret_word", default="hush")
    notes_file = IncludeFile("notes_file", default=str(Path(__file__).parent / "included.txt"))
    config = Config("config", default_value={"optimizer": {"name": "adam"}})
    CONSTANT = 7

    @step
    def start(self):
        import pandas as pd

        local = pd.DataFrame({"never": [1]})
        assert isinstance(self, Everything)
        self.df = words("a", "b")
        self.untouched = pd.DataFrame({"x": range(3)})
        self.changed = pd.DataFrame({"x": [1, 2]})
        self.forest = fitted()
        self.function = words  # Metaflow stores none
        self.numbers = [1, 2]
        self.unique = {"b", "a"}
        self.text = self.static("text")
        self.unknown_yet = None
        self.class_name = self.of_class()
        self.settings = {"nested": {"deep": 1}}
        self.project = "named like a setting"
        self.secret_value = 5
        self.gone = len(local)
        del self.gone
        self.next(self.inherited)

    @step
    def fan(self):
        assert super().helper(1) == 10
        self.letters = ["x", "y"]
        self.changed.loc[0, "x"] = 100
        self.seen = hasattr(self, "untouched")
        self.next(self.inner, foreach="letters")

    @step
    def inner(self):
        self.letter = self.input
        self.digits = [self.index * 10, self.index * 10 + 1]
        self.next(self.leaf, foreach="digits")

    @step
    def leaf(self):
        self.table = words(self.input, self.letter)
        self.score = self.input + len(self.df)
        self.next(self.join_leaves)

    @step
    def join_leaves(self, inputs):
        best = max(inputs, key=lambda leaf: leaf.score)
        self.table = best.table
        self.score = best.score
        self.merge_artifacts(inputs)
        self.next(self.join_all)

    @step
    def join_all(self, inputs):
        try:
            wandb_use("table")
        except ValueError as error:
            self.refusal = str(error)
        self.rows = sum(len(each.table) for each in inputs)
        self.merge_artifacts(inputs, exclude=["letter", "digits", "table", "score"])
        self.next(self.untracked)

    @wandb_log(mode="disabled")
    @step
    def untracked(self):
        self.words = len(self.df)
        self.next(self.overridden)

    @wandb_log(datasets=True, models=True, others=True)
    @step
    def overridden(self):
        self.who = "derived"
        self.forest.feature = "changed"
        self.replaced = self.df
        wandb_track("by_hand", self.df, aliases=["mine"])
        wandb_track("note", {"by": "hand"})
        wandb_use("untouched")
        assert wandb_use("df", load=True) is self.df
        try:
            wandb_use("nothing")
        except ValueError as error:
            self.refusal = str(error)
        self.next(self.end)

    @step
    def end(self):
        assert self.forest.feature == "changed"
        assert self.numbers == [1, 2]
        assert len(self.df) == 2


def words(*values):
    """A frame whose pickled bytes differ from those of what was loaded from them."""
    import pandas as pd

    days = pd.date_range("2026-01-01", periods=len(values))
    return pd.DataFrame({"word": [str(value) for value in values], "day": days})


def fitted():
    """A small estimator, for which the same holds."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(2).fit(*make_classification(20, random_state=0))


if __name__ == "__main__":
    Everything()
