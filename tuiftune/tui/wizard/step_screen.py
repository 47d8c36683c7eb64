"""The base of the wizard's steps: the stepper, the question of the step, back and forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on

from tuiftune.tui import STYLES
from tuiftune.tui.keys.explanations import EXPLANATIONS
from tuiftune.tui.keys.scopes import WIZARD
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.downloading import Downloading
from tuiftune.tui.kit.explained import Explained
from tuiftune.tui.kit.headings import Lead
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.wizard.draft import Draft


class WizardStep(FullScreen[None]):
    """One step. Subclasses set `KEY` and define `body()`; they edit by replacing `self.draft`."""

    KEY: ClassVar[str]
    CSS_PATH = f"{STYLES}/wizard.tcss"
    SCOPES: ClassVar[tuple[str, ...]] = (WIZARD,)
    EXPLAINED: ClassVar[bool] = False  # a large screen has space that the step itself does not need

    def compose(self) -> ComposeResult:
        yield Stepper(self.KEY)
        yield Lead(self.step.asks)
        yield from self.body()
        if self.EXPLAINED:
            yield Explained(self.sections())
        yield KeyBar(*self.SCOPES)

    def body(self) -> ComposeResult:
        """Yield the widgets between the lead and the key bar."""
        raise NotImplementedError

    def sections(self) -> list[tuple[str, str]]:
        """Return what a large screen explains: this step, then those that follow."""
        keys = [step.key for step in STEPS]
        later = STEPS[keys.index(self.KEY) + 1 :]
        return [
            ("About this step", EXPLANATIONS[self.KEY]),
            *((f"Next: {one.title}", one.deeper) for one in later),
        ]

    @property
    def step(self) -> Any:
        """The entry of `wizard.steps.STEPS`."""
        return next(step for step in STEPS if step.key == self.KEY)

    @property
    def draft(self) -> Draft:
        return self.app.draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self.app.draft = draft

    def say(self, text: str, severity: str = "info") -> None:
        """Show a message below the question of the step; "" removes it."""
        self.query_one(Lead).say(text, severity)

    @on(Downloading)
    def _downloading(self, message: Downloading) -> None:
        """Show how far a download is, whatever of this step asked for it."""
        self.say(message.says, "info")

    def help_topic(self) -> str:
        """Return what the help explains first."""
        return str(self.step.deeper)

    def action_forward(self) -> None:
        """Continue with the next step if this one is complete."""
        if self.may_leave():
            self.app.open(following(self.KEY))

    def may_leave(self) -> bool:
        """Return True if this step is complete; else show why not."""
        return True

    def action_back(self) -> None:
        self.app.pop_screen()


def following(key: str) -> str:
    """Return the key of the next step."""
    keys = [step.key for step in STEPS]
    return keys[min(len(keys) - 1, keys.index(key) + 1)]


TITLES = {**{step.key: step.title for step in STEPS}, "run": "Dashboard"}
SHORT = {**TITLES, "model": "Model", "run": "Run"}


class Stepper(Canvas):
    """The line `✓ Machine ── ● Goal ── ○ Data …`: done, current and next steps."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        keys = list(TITLES)
        at = keys.index(self._here)
        titles = list(TITLES.values())
        if sum(len(title) + 7 for title in titles) > width:
            titles = list(SHORT.values())
        fixed = 1 + sum(len(title) + 2 for title in titles)
        rule = max(1, min(8, (width - fixed) // (len(keys) - 1) - 2))
        glyphs = self.glyphs
        line = Line(" ")
        for index, title in enumerate(titles):
            if index:
                line.add(f" {glyphs.rule * rule} ", "good" if index <= at else "faint")
            if index < at:
                line.add(f"{glyphs.done} ", "good").add(title, "soft")
            elif index == at:
                line.add(f"{glyphs.here} ", "accent").add(title, "title")
            else:
                line.add(f"{glyphs.ahead} {title}", "faint")
        return [line]
