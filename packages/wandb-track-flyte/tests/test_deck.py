"""The tab "W&B" of a task's Deck: in containers for success and failure, locally for success."""

import asyncio
import inspect
import re
from pathlib import Path

import pytest
from flytekit import task
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.context_manager import FlyteContextManager
from flytekit.tools.translator import get_serializable
from wandb_track_core import ArgumentError, offline
from wandb_track_flyte import wandb_init

SETTINGS = SerializationSettings(ImageConfig(Image("i", "i", "i")), project="p", domain="d", version="v", env={})


def tabs(html):
    """The names of a Deck's tabs."""
    return re.findall(r"<li onclick=[^>]*>(.*?)</li>", html)


def shows(deck, *texts):
    """Which texts a Deck shows: a whole one in a failed test's output would hide everything else."""
    return [text for text in texts if text in deck]


def local_decks():
    sandbox = Path(FlyteContextManager.current_context().file_access.local_sandbox_dir)
    return {path: path.read_text() for path in sandbox.parent.rglob("deck.html")}


@pytest.mark.parametrize("name", ["above", "below", "asked", "waiting", "outer"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_deck_in_a_container_shows_the_closed_run(bench, name, fails):
    """Also that of a task that failed."""
    container = bench.container("decks", name, {"fails": fails})
    outcome = bench.execute_in_process_of_its_own(container)
    assert outcome.outputs == ({} if fails else {"o0": 42})
    assert ("no luck" in outcome.error) == fails
    deck = (container.output_prefix / "deck.html").read_text()
    assert tabs(deck).count("W&amp;B") == 1
    found = shows(deck, "failed (1)", ">finished<", "still open", "ValueError: ", "no luck", "raw/zz")
    ended = ["failed (1)", "ValueError: ", "no luck"] if fails else [">finished<"]
    assert sorted(found) == sorted([*ended, "raw/zz"])  # it was packed and stored there
    assert bool(shows(deck, "loss over steps")) == (name != "outer")
    assert shows(deck, f">flows.training_workflow-f6af03c1-{name}-n0 <")


def test_a_deck_names_the_s3_address_at_which_the_run_is_stored(bench, s3):
    bucket, env = s3
    container = bench.container("decks", "asked", {"fails": True}, raw=bucket.uri)
    assert "no luck" in bench.execute_in_process_of_its_own(container, **env).error
    deck = (container.output_prefix / "deck.html").read_text()
    assert shows(deck, "failed (1)", f"{bucket.uri}/zz/") == ["failed (1)", f"{bucket.uri}/zz/"]


def test_an_online_runs_deck_links_to_it_and_to_the_execution(bench, standin):
    """And says nothing of a sync."""
    container = bench.container("decks", "asked", {"fails": False})
    outcome = bench.execute_in_process_of_its_own(container, WANDB_MODE="online", WANDB_BASE_URL=standin.url)
    assert outcome.outputs == {"o0": 42}, outcome.said
    deck = (container.output_prefix / "deck.html").read_text()
    assert re.findall(r"href='([^']*)'>Open in (?:W&amp;B|Flyte)<", deck) == [
        "https://flyte.test/console/projects/flytesnacks/domains/development/executions/f6af03c1/nodeId/n0/nodes",
        f"{standin.url}/e/p/runs/{standin.run.id}",
    ]
    assert shows(deck, ">finished<", "loss over steps", "wandb-track sync") == [">finished<", "loss over steps"]


def test_there_is_no_deck_where_nobody_asked_for_one(bench):
    container = bench.container("decks", "without", {"fails": False})
    assert bench.execute_in_process_of_its_own(container).outputs == {"o0": 42}
    assert not (container.output_prefix / "deck.html").exists()


def call(function, **inputs):
    """Call a task; a coroutine's is awaited."""
    result = function(**inputs)
    return asyncio.run(result) if inspect.isawaitable(result) else result


@pytest.mark.parametrize("name", ["above", "below", "asked", "waiting"])
def test_a_local_deck_is_written_once_and_shows_the_closed_run(bench, load, name):
    before = local_decks()
    function = getattr(load("decks"), name)
    assert call(function, fails=False) == 42
    (deck,) = (text for path, text in local_decks().items() if path not in before)
    assert tabs(deck).count("W&amp;B") == 1
    assert shows(deck, ">finished<", "loss over steps") == [">finished<", "loss over steps"]
    assert ("Output" in tabs(deck)) == (name != "asked")
    with pytest.raises(ValueError, match="no luck"):
        call(function, fails=True)
    assert [run.exit_code for run in bench.runs(2)] == [0, 1]


def test_nothing_else_of_a_task_changes(load):
    """Its interface, its container, its config: a Deck is announced, and that is all."""
    decks = load("decks")
    asked, without = (get_serializable({}, SETTINGS, getattr(decks, name)).template for name in ("asked", "without"))
    assert (asked.metadata.generates_deck, without.metadata.generates_deck) == (True, False)
    assert asked.interface == without.interface
    assert asked.config == without.config
    assert asked.metadata.discoverable == without.metadata.discoverable


def test_a_deck_is_asked_for_above_task():
    with pytest.raises(ArgumentError, match=r"Put @wandb_init above @task"):

        @task
        @wandb_init(project="p", entity="e", secret=lambda: "k" * 40, deck=True)
        def below() -> None: ...

    with pytest.raises(ArgumentError, match=r"deck must be True or False, not 'yes'"):
        wandb_init(project="p", entity="e", secret=lambda: "k" * 40, deck="yes")


def test_a_fault_in_drawing_is_one_line(bench, load, monkeypatch, capfd):
    """The task's result and flytekit's own tabs are there."""

    def broken(*given, **named):
        raise KeyError("drawn wrongly")

    monkeypatch.setattr(offline, "render_run", broken)
    before = local_decks()
    assert load("decks").above(fails=False) == 42
    (deck,) = (text for path, text in local_decks().items() if path not in before)
    assert tabs(deck)[-1] != "W&amp;B"
    lines = [line for line in capfd.readouterr().err.splitlines() if "wandb-track: " in line]
    assert len(lines) == 1
    assert "drawing the Deck failed inside wandb-track" in lines[0]
    assert bench.run().exit_code == 0
