"""What `wandb_log` takes, and what it refuses with a word on what to do."""

from __future__ import annotations

import pytest
from metaflow import FlowSpec, step
from wandb_track_core import ArgumentError, MissingKeyError
from wandb_track_metaflow import wandb_log
from wandb_track_metaflow._arguments import Arguments, HiddenSettings
from wandb_track_metaflow.decorator import DEFAULTS


def checked(given):
    """The arguments with the defaults of those that are not given."""
    return Arguments({**DEFAULTS, **given})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datasets", 1),
        ("models", "maybe"),
        ("settings", "offline"),
        ("project", 3),
        ("mode", True),
        ("tags", 3),
        ("include", [1]),
        ("api_key", "0123456789"),
        ("secret", 3),
        ("secret", "0123456789" * 4),
        ("secret", "abcdef" + "0123456789" * 4),
        ("max_size", 0),
        ("max_size", "1 GB"),
        ("on_error", "ignore"),
        ("init_timeout", 0),
        ("finish_timeout", "soon"),
        ("ranks", "shared"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused_where_it_is_written(name, value):
    """The error names the argument and the type, and never the value, which could be a key."""
    with pytest.raises(ArgumentError, match=rf"^{name} must be .*, not ") as caught:
        wandb_log(**{name: value})
    assert "0123456789" not in str(caught.value)


def test_an_unknown_argument_is_refused_with_the_known_ones():
    """As Python does, and a little more."""
    with pytest.raises(ArgumentError, match=r"unexpected argument 'dataset'. Did you mean 'datasets'"):
        wandb_log(dataset=True)


def test_text_from_the_command_line_is_understood():
    """Flags, as Metaflow writes them in a deployment, and lists."""
    given = {"datasets": "True", "models": "false", "exclude": "a*, b", "tags": "c, d", "card": "False"}
    arguments = checked({**given, "resume": "allow"})
    capture = arguments.capture
    assert (capture.datasets, capture.models, capture.exclude) == (True, False, ("a*", "b"))
    assert (arguments.passed_on["tags"], arguments.card, arguments.passed_on["resume"]) == (["c", "d"], False, "allow")


@pytest.mark.parametrize(
    ("include", "exclude", "through"),
    [
        (None, None, ["raw", "raw_x", "y"]),
        (["raw*"], None, ["raw", "raw_x"]),
        (None, ["raw_?"], ["raw", "y"]),
        (["raw*"], ["raw_x"], ["raw"]),
        ([], None, []),
    ],
)
def test_include_and_exclude_take_patterns_and_exclude_wins(include, exclude, through):
    """An empty include lets nothing through."""
    capture = checked({"include": include, "exclude": exclude}).capture
    assert [name for name in ("raw", "raw_x", "y") if capture.shows(name)] == through


def test_a_key_function_that_finds_nothing_is_an_error():
    """It says where the function was called."""
    with pytest.raises(MissingKeyError, match="called where the task runs"):
        checked({"api_key": lambda: ""}).key()


def test_the_text_of_settings_is_kept_from_metaflow():
    """Which stores the text of decorators' arguments; the settings themselves stay as they are."""
    settings = {"api_key": "k" * 40}
    (decorator,) = wandb_log(settings=settings)(step(function)).decorators
    decorator.external_init()
    assert "kkkk" not in str(decorator.attributes) + repr(decorator.attributes["settings"])
    assert checked(decorator.attributes).passed_on["settings"] == settings
    assert isinstance(decorator.attributes["settings"], HiddenSettings)


def function(self):
    """Stands for a step's code."""


def test_below_step_is_an_error_that_says_so():
    """Metaflow's own decorators stand above @step, too."""
    with pytest.raises(ArgumentError, match=r"must be above @step"):
        step(wandb_log(datasets=True)(lambda self: None))


@pytest.mark.parametrize("decorated", [dict, 3])
def test_above_anything_else_is_an_error_that_says_where_it_belongs(decorated):
    """A class that is no flow, or no class at all."""
    with pytest.raises(ArgumentError, match=r"above @step, or above a class that is a FlowSpec"):
        wandb_log(datasets=True)(decorated)


def test_the_decorated_flow_and_step_are_what_they_were():
    """A class and a function, for `isinstance`, `super()`, pickling and everything else."""

    class Flow(FlowSpec):
        @wandb_log
        @step
        def start(self):
            """Start."""
            self.next(self.end)

        @step
        def end(self):
            """End."""

    assert wandb_log(models=True)(Flow) is Flow
    assert wandb_log(Flow) is Flow
    assert [decorator.name for decorator in Flow.start.decorators] == ["wandb_log"]
