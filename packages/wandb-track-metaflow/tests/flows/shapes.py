"""Flows on the model of Metaflow's own test suite, each of one shape; none of them knows of tracking.

The variable SHAPE names the one to run. Each asserts what its steps must see; it runs the same with and without us.
"""

import os
import sys

from metaflow import (
    Config,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    JSONType,
    Parameter,
    StepMutator,
    card,
    catch,
    current,
    environment,
    parallel,
    project,
    retry,
    step,
    timeout,
    user_step_decorator,
)


class Linear(FlowSpec):
    """Artifacts of many kinds, set, read, changed in place, deleted."""

    @step
    def start(self):
        import numpy as np
        import pandas as pd

        self.text, self.number, self.nothing, self.many = "é", 1 << 80, None, list(range(1000))
        self.table, self.array, self.blob = pd.DataFrame({"x": [1, 2]}), np.arange(4.0), b"\0" * 1000
        self.next(self.middle)

    @step
    def middle(self):
        assert (self.text, self.number, self.nothing, len(self.blob)) == ("é", 1 << 80, None, 1000)
        self.table["y"] = self.table["x"] * 2
        self.many.append("more")
        del self.text
        self.next(self.end)

    @step
    def end(self):
        assert list(self.table.columns) == ["x", "y"]
        assert (self.many[-1], self.array.sum()) == ("more", 6.0)


class Branch(FlowSpec):
    """A static split, and all ways of merging."""

    @step
    def start(self):
        self.both, self.conflict = {1: "one"}, 0
        self.next(self.left, self.right)

    @step
    def left(self):
        self.conflict, self.only_left = 1, {2, 3}
        self.next(self.join)

    @step
    def right(self):
        self.conflict, self.only_right = 2, b"right"
        self.next(self.join)

    @step
    def join(self, inputs):
        from metaflow.exception import MetaflowException

        try:
            self.merge_artifacts(inputs)
        except MetaflowException as error:
            self.refused = "conflict" in str(error)
        self.conflict = inputs.left.conflict + inputs.right.conflict
        self.merge_artifacts(inputs, exclude=["only_right"])
        assert not hasattr(self, "only_right")
        self.merge_artifacts(inputs, include=["only_right"])
        self.next(self.end)

    @step
    def end(self):
        assert (self.both, self.conflict, self.only_left, self.only_right) == ({1: "one"}, 3, {2, 3}, b"right")
        assert self.refused


class NestedBranches(FlowSpec):
    """A split within a split."""

    @step
    def start(self):
        self.path = "s"
        self.next(self.a, self.b)

    @step
    def a(self):
        self.path += "a"
        self.next(self.aa, self.ab)

    @step
    def b(self):
        self.path += "b"
        self.next(self.outer)

    @step
    def aa(self):
        self.path += "a"
        self.next(self.inner)

    @step
    def ab(self):
        self.path += "b"
        self.next(self.inner)

    @step
    def inner(self, inputs):
        self.path = "+".join(sorted(each.path for each in inputs))
        self.next(self.outer)

    @step
    def outer(self, inputs):
        self.path = "|".join(sorted(each.path for each in inputs))
        self.next(self.end)

    @step
    def end(self):
        assert self.path == "saa+sab|sb"


class Foreach(FlowSpec):
    """A foreach over objects, within a foreach; a generator of movies as in the tutorials."""

    @step
    def start(self):
        self.genres = {"drama": [3, 4], "comedy": [5]}
        self.names = list(self.genres)
        self.next(self.genre, foreach="names")

    @step
    def genre(self):
        self.numbers = self.genres[self.input]
        self.next(self.movie, foreach="numbers")

    @step
    def movie(self):
        assert [frame[2] for frame in self.foreach_stack()] == [self.names[self.foreach_stack()[0][0]], self.input]
        self.square = self.input**2
        self.next(self.movies)

    @step
    def movies(self, inputs):
        self.squares = [each.square for each in inputs]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(sum(each.squares) for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.total == 50


class Switch(FlowSpec):
    """A step that chooses the next one."""

    mode = Parameter("mode", default="fast")

    @step
    def start(self):
        self.tables = [1]
        self.next({"fast": self.fast, "slow": self.slow}, condition="mode")

    @step
    def fast(self):
        self.tables.append("fast")
        self.next(self.end)

    @step
    def slow(self):
        self.next(self.end)

    @step
    def end(self):
        assert self.tables == [1, "fast"]


class Recursive(FlowSpec):
    """A step that is its own next one."""

    @step
    def start(self):
        self.count = 0
        self.next(self.loop)

    @step
    def loop(self):
        self.count += 1
        self.again = "yes" if self.count < 2 else "no"
        self.next({"yes": self.loop, "no": self.end}, condition="again")

    @step
    def end(self):
        assert self.count == 2


class Parameters(FlowSpec):
    """Parameters of all types, a constant, a file, a default that is a function."""

    CONSTANT = (1, "two")
    number = Parameter("number", default=3)
    flag = Parameter("flag", default=True)
    items = Parameter("items", type=JSONType, default='{"a": [1]}')
    late = Parameter("late", default=lambda context: context.flow_name.lower(), type=str)
    dashed = Parameter("with-dash", default="d", separator=",")
    file = IncludeFile("file", default=__file__)

    @step
    def start(self):
        assert (self.number, self.flag, self.items, self.late, self.dashed) == (
            3,
            True,
            {"a": [1]},
            "parameters",
            ["d"],
        )
        assert "class Parameters" in self.file
        try:
            self.number = 4
        except AttributeError:
            self.is_fixed = True
        self.next(self.end)

    @step
    def end(self):
        assert self.is_fixed
        assert self.CONSTANT == (1, "two")


class Mutator(StepMutator):
    """Adds a variable to the environment."""

    def mutate(self, mutable_step):
        mutable_step.add_decorator(environment, deco_kwargs={"vars": {"MUTATED": "yes"}})


class Flows(FlowMutator):
    """Adds a retry to each step."""

    def pre_mutate(self, mutable_flow):
        for _, each in mutable_flow.steps:
            each.add_decorator("retry", deco_kwargs={"times": 1}, duplicates=each.IGNORE)


@Flows
class Mutators(FlowSpec):
    """Config, and mutators of steps and flows."""

    config = Config("config", default_value={"size": 2})

    @Mutator
    @step
    def start(self):
        self.size = self.config.size
        assert os.environ["MUTATED"] == "yes"
        self.next(self.end)

    @step
    def end(self):
        assert self.size == 2


class Retry(FlowSpec):
    """A step that fails once, and one that is caught."""

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        self.attempt = current.retry_count
        if current.retry_count == 0:
            raise KeyError("once")
        self.next(self.caught)

    @catch(var="error", print_exception=False)
    @step
    def caught(self):
        self.lost = "kept"
        raise TypeError("always")
        self.next(self.end)

    @step
    def end(self):
        assert self.attempt == 1
        assert "TypeError: always" in str(self.error)
        assert "/wandb_track" not in str(self.error)


class Timeout(FlowSpec):
    """A step that takes too long, and is caught."""

    @catch(var="error", print_exception=False)
    @timeout(seconds=3)
    @step
    def start(self):
        import time

        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        assert "TimeoutException" in str(self.error)


class Exits(FlowSpec):
    """`sys.exit(0)` in a step, which Metaflow takes for a failure or not: as without us."""

    @step
    def start(self):
        self.before = 1
        self.next(self.end)

    @step
    def end(self):
        sys.exit(7)


class Killed(FlowSpec):
    """A step whose process is killed in its first attempt."""

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            os.kill(os.getpid(), 9)
        self.second = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        assert self.second == 1


class Current(FlowSpec):
    """What `current` tells."""

    @step
    def start(self):
        self.seen = (current.flow_name, current.step_name, current.retry_count, current.pathspec.count("/"))
        assert current.is_running_flow
        self.next(self.end)

    @step
    def end(self):
        assert self.seen == ("Current", "start", 0, 3)
        assert current.origin_run_id is None


class Cards(FlowSpec):
    """A card of the user's."""

    @card(id="mine", customize=True)
    @step
    def start(self):
        from metaflow.cards import Markdown

        current.card["mine"].append(Markdown("# text"))
        self.next(self.end)

    @step
    def end(self):
        pass


@project(name="shaped")
class Project(FlowSpec):
    """A project and its branch."""

    @step
    def start(self):
        self.branch = current.branch_name
        self.next(self.end)

    @step
    def end(self):
        assert self.branch.startswith("user.")


class Gang(FlowSpec):
    """Two nodes of one step."""

    @step
    def start(self):
        self.next(self.node, num_parallel=2)

    @parallel
    @step
    def node(self):
        self.index_of_node = current.parallel.node_index
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = sorted(each.index_of_node for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.nodes == [0, 1]


@user_step_decorator
def around(step_name, flow, inputs=None, attr=None):
    """Reads and sets before and after the step's code."""
    flow.before = step_name
    yield
    flow.after = len(flow.data)


class UserDecorator(FlowSpec):
    """A step decorator that users write."""

    @step
    def start(self):
        self.data = [1, 2, 3]
        self.next(self.end)

    @around
    @step
    def end(self):
        assert self.before == "end"


class Base(FlowSpec):
    """Has a step that is inherited."""

    @step
    def start(self):
        self.producer = type(self).__name__
        self.next(self.end)

    def helper(self):
        return self.producer


class Inherited(Base):
    """`self` is the flow: `isinstance`, `super`, properties, helpers."""

    @property
    def twice(self):
        return self.producer * 2

    @step
    def end(self):
        assert isinstance(self, Inherited)
        assert super().helper() == "Inherited"
        assert self.twice == "InheritedInherited"


class Lineage(FlowSpec):
    """Looks its own run up in Metaflow's client, while it goes on."""

    @step
    def start(self):
        self.value = object
        self.next(self.end)

    @step
    def end(self):
        from metaflow import Run

        (started,) = Run(f"{current.flow_name}/{current.run_id}")["start"]
        assert started.data.value is object
        assert {"name", "value"} <= {each.id for each in started}
        assert not any("wandb" in each.id for each in started)


class Classes(FlowSpec):
    """Values that are hard to keep: a class, an exception, a cycle, an enum, a partial."""

    @step
    def start(self):
        import enum
        import functools

        self.kind, self.error, self.cycle = dict, ValueError("kept"), []
        self.cycle.append(self.cycle)
        self.partial = functools.partial(int, base=2)
        self.flag = enum.Enum
        self.next(self.end)

    @step
    def end(self):
        assert (self.kind, str(self.error), self.partial("10")) == (dict, "kept", 2)
        assert self.cycle[0] is self.cycle


if __name__ == "__main__":
    globals()[os.environ["SHAPE"]]()
