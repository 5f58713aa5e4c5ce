"""What users do in a step all day, and what must be as it is without tracking; with UNTRACKED set, it is without."""

import gc
import os
import sys
import weakref

from metaflow import FlowSpec, catch, step

if "UNTRACKED" in os.environ:

    def wandb_log(**arguments):
        return lambda function: function
else:
    from wandb_track_metaflow import wandb_log

DUMPED = []


class Noted:
    """Notes when it is pickled; `weight` stands for its contents."""

    def __init__(self, name):
        self.name = name

    def __getstate__(self):
        DUMPED.append(self.name)
        return vars(self)


class Counter:
    """Counts how often it is pickled."""

    def __init__(self):
        self.pickled = 0

    def __getstate__(self):
        self.pickled += 1
        return dict(vars(self))


@wandb_log(datasets=True, models=True, others=True)
class Day(FlowSpec):
    """Each step does one thing."""

    @staticmethod
    def helper(number):
        """A function of the flow that other processes call."""
        return number + 1

    @step
    def start(self):
        self.big, self.kept, self.counter = Noted("big"), Noted("kept"), Counter()
        self.changed = Noted("changed")
        self.days = days(3)
        self.next(self.pickles)

    @step
    def pickles(self):
        import cloudpickle
        import joblib

        with joblib.parallel_config(backend="loky"):
            self.helped = joblib.Parallel(n_jobs=2)(joblib.delayed(Day.helper)(number) for number in range(2))
        self.pickled = len(cloudpickle.dumps(type(self))) > 0
        self.next(self.reads)

    @step
    def reads(self):
        read = self.big
        names = [read.name, self.kept.name]
        self.dumped = list(DUMPED)
        alive = weakref.ref(read)
        self.big = None
        del read
        gc.collect()
        self.let_go = alive() is None
        self.changed.name = "in place"
        self.counted = self.counter.pickled
        self.rows = len(self.days) + len(names)
        self.next(self.fails)

    @catch(var="failure", print_exception=False)
    @step
    def fails(self):
        self.before = "the failure"
        raise ValueError("to be caught")
        self.next(self.split)

    @step
    def split(self):
        self.text = str(self.failure)
        self.parts = [1, 2]
        self.next(self.part, foreach="parts")

    @step
    def part(self):
        self.length = len(self.days)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.lengths = [each.length for each in inputs]
        self.merge_artifacts(inputs, exclude=["length"])
        self.after_merge = len(self.days)
        self.next(self.end)

    @step
    def end(self):
        print("RESULT", self.helped, self.dumped, self.let_go, self.lengths, self.after_merge)
        print("PICKLED", self.counted)
        print("TRACEBACK", "wandb_track" in self.text, file=sys.stdout)


def days(count):
    """A frame whose pickled bytes differ from those of what was loaded from them, and which Parquet cannot hold."""
    import pandas as pd

    dates = pd.date_range("2026-01-01", periods=count)
    return pd.DataFrame({"day": dates, "word": list("abc"[:count]), "note": [{"number": 1}, [2], None][:count]})


if __name__ == "__main__":
    Day()
