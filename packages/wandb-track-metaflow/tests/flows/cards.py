"""Steps with cards: of a second attempt, of a long step, beside the user's own, switched off, of a failed step."""

import os
import time

import wandb
from metaflow import FlowSpec, Task, card, current, namespace, retry, step
from metaflow.cards import Markdown, get_cards
from wandb_track_metaflow import _card, wandb_log

_card.EVERY, _card._SHARE = 0.3, 0  # also on a busy machine, on which one drawing takes seconds


def card_while_running():
    """This task's card, once it shows the curve; else why there is none."""
    namespace(None)
    deadline, reason = time.monotonic() + 60, ""
    while time.monotonic() < deadline:
        try:
            for found in get_cards(Task(current.pathspec)):
                if "loss over steps" in (html := found.get()):
                    return html
                reason = f"a card without the curve: {html}"
        except Exception as error:  # none is there yet, or it is being replaced
            reason = repr(error)
        time.sleep(0.1)
    return reason


class Cards(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @wandb_log
    @step
    def start(self):
        if not current.retry_count:
            raise RuntimeError("the first time")
        os.chdir(os.environ["ELSEWHERE"])
        self.next(self.long)

    @wandb_log
    @step
    def long(self):
        for number in range(5):
            wandb.log({"loss": 1 / (number + 1)})
        wandb.config.update({"long": "x" * 100_000})  # clients before 0.31 write to the disk once a block is full
        html = card_while_running()
        self.seen = [text for text in ("loss over steps", "still open") if text in html] or html
        wandb.log({"late": 1.0})
        self.next(self.both)

    @wandb_log(card=True)
    @card
    @step
    def both(self):
        current.card.append(Markdown("# mine"))
        self.next(self.off)

    @wandb_log(card=False)
    @step
    def off(self):
        self.next(self.untracked)

    @step
    def untracked(self):
        self.next(self.user)

    @wandb_log
    @card
    @step
    def user(self):
        self.next(self.end)

    @wandb_log
    @step
    def end(self):
        if "FAIL" in os.environ:
            raise RuntimeError("for now")


if __name__ == "__main__":
    Cards()
