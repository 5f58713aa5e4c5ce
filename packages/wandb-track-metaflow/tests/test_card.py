"""Cards that show a task's run, as Metaflow's command line and client find them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FLOW = "cards.py"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder of the user's own, to which a step changes."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def cards(workplace, elsewhere):
    """The cards of a flow whose last step failed, by step and type."""
    workplace.env |= {"FAIL": "1", "BROWSER": "echo shown %s", "ELSEWHERE": str(elsewhere)}
    execution = workplace.run(FLOW, check=False)
    assert "RuntimeError: for now" in execution.output, execution.output
    found = workplace.client(
        """
from metaflow.cards import get_cards
from metaflow.plugins.cards.exception import CardNotPresentException
def of(task):
    try:
        return [[card.type, card.get()] for card in get_cards(task)]
    except CardNotPresentException:
        return []
print(json.dumps({step.id: of(step.task) for step in Flow("Cards").latest_run}))
"""
    )
    assert all(len({kind for kind, _ in of_step}) == len(of_step) for of_step in found.values())
    return {step: dict(of_step) for step, of_step in found.items()}


def state(html: str) -> str:
    return re.search(r"<span class='badge [a-z]*'>(.*?)</span>", html)[1]


def test_each_tracked_task_has_one_card_unless_it_is_switched_off(cards):
    """Of two attempts the last one's, beside the user's own where it was asked for, and of a step that failed."""
    kinds = {step: sorted(of_step) for step, of_step in cards.items()}
    own = ["wandb_track"]
    both = ["default", "wandb_track"]
    assert kinds == {
        "start": own,
        "long": own,
        "both": both,
        "off": [],
        "untracked": [],
        "user": ["default"],
        "end": own,
    }
    states = {step: state(of_step["wandb_track"]) for step, of_step in cards.items() if "wandb_track" in of_step}
    assert states == {"start": "finished", "long": "finished", "both": "finished", "end": "failed (1)"}
    assert "RuntimeError: for now" in cards["end"]["wandb_track"]


def test_a_step_that_changes_its_folder_leaves_no_card_there(cards, elsewhere):
    assert cards["start"]["wandb_track"]
    assert not list(elsewhere.iterdir())


def test_a_long_steps_card_is_there_while_it_runs(cards, workplace):
    """And becomes that of the closed run."""
    seen = workplace.client("print(json.dumps(Flow('Cards').latest_run['long'].task.data.seen))")
    assert seen == ["loss over steps", "still open"]
    assert "<th>late</th>" in cards["long"]["wandb_track"]


@pytest.mark.parametrize(("step", "more"), [("start", ()), ("end", ()), ("both", ("--type", "wandb_track"))])
def test_the_command_line_shows_a_card(cards, workplace, step, more):
    output = workplace.call(FLOW, "--no-pylint", "card", "view", step, *more).output
    (shown,) = re.findall(r"shown file://(\S+\.html)", output)
    assert Path(shown).read_text() == cards[step]["wandb_track"]


def test_where_no_card_can_be_saved_one_line_says_so(workplace_of, tmp_path):
    """As in a working folder that is read-only: nothing that anybody should report."""
    place = workplace_of("no_cards", METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path))
    (place.folder / ".metaflow").touch()
    output = place.run("plain.py", "--with", "wandb_log").output
    (line,) = [line for line in output.splitlines() if "wandb-track:" in line]
    assert "wandb-track: cards of this flow are not saved: [Errno " in line
