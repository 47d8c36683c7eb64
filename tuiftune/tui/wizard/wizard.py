"""What the wizard's steps share: the stepper, the question of the step, back and forward. The app holds the
draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tuiftune.tui import STYLES
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.key_bar import KeyBar
from tuiftune.tui.keys.scopes import WIZARD
from tuiftune.tui.kit.faults import TellsFaults
from tuiftune.tui.kit.lead import Lead
from tuiftune.tui.textual_patches.whole import WholeScreen
from tuiftune.tui.wizard.stepper import Stepper
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.tui.app import TuneApp
    from tuiftune.wizard.draft import Draft


class WizardStep(TellsFaults, WholeScreen[None]):
    """One step. Subclasses set `KEY` and give `body()`; they edit by replacing `self.draft`."""

    KEY: ClassVar[str]
    CSS_PATH = f"{STYLES}/wizard.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WIZARD)
    SCOPES: tuple[str, ...] = (WIZARD,)
    app: TuneApp

    def compose(self) -> ComposeResult:
        yield Stepper(self.KEY)
        yield Lead(self.step.asks)
        yield from self.body()
        yield KeyBar(*self.SCOPES)

    def body(self) -> ComposeResult:
        """The widgets between the lead and the key bar."""
        raise NotImplementedError

    @property
    def step(self) -> Any:
        """This step of `advice.steps.STEPS`."""
        return next(step for step in STEPS if step.key == self.KEY)

    @property
    def draft(self) -> Draft:
        return self.app.draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self.app.draft = draft

    def say(self, text: str, severity: str = "info") -> None:
        """Put a line under the question of the step; "" shows the question alone."""
        self.query_one(Lead).say(text, severity)

    def help_topic(self) -> str:
        """What `?` explains first."""
        return str(self.step.deeper)

    def action_forward(self) -> None:
        """Go on to the next step, if nothing is missing here."""
        if self.may_leave():
            self.app.open_step(following(self.KEY))

    def may_leave(self) -> bool:
        """Whether one can go on; says why not."""
        return True

    def action_back(self) -> None:
        self.app.pop_screen()


def following(key: str) -> str:
    """The step after this one."""
    keys = [step.key for step in STEPS]
    return keys[min(len(keys) - 1, keys.index(key) + 1)]
