"""The wizard as plain prompts, with the steps and settings of the app: for screen readers and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.cli.plain.data import Data
from tuiftune.cli.plain.first import First
from tuiftune.cli.plain.model import Model
from tuiftune.cli.plain.review import Review
from tuiftune.cli.prompts import prompts
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.wizard.draft import Draft


def ask(draft: Draft, root: Path | None) -> int:
    """Ask the steps, start the run and follow it.

    Returns its exit code; 130 after Ctrl-C, with nothing written.
    """
    say("Press Enter to accept the default, ? for help, Ctrl-C to quit without saving.")
    try:
        return Plain(draft, root, prompts()).walk()
    except (KeyboardInterrupt, EOFError):
        say("")  # end the line of the unanswered question
        say("Quit: nothing was written or started.")
        return 130


class Plain(First, Data, Model, Review):
    """One walk through the wizard."""

    def walk(self) -> int:
        """Every step in order; the review, which is last, can lead back to any of them."""
        chosen = ""
        for step in STEPS:
            chosen = self._step(step.key)
        while chosen not in {"start", "leave"}:
            self._step(chosen)
            chosen = self._step("review")
        if chosen == "leave":
            say("Quit: nothing was started.")
            return 0
        return self._start()

    def _step(self, key: str) -> str:
        """Ask one step, or do another choice of the review. Returns what was chosen."""
        for at, step in enumerate(STEPS, 1):
            if step.key == key:
                say("")
                say(f"Step {at} of {len(STEPS)}: {step.title}. {step.asks}")
        return getattr(self, f"_{key}")() or ""
