"""Prompting, retrieval and fine-tuning measured on the same rows, each contender drawn as soon as it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message

from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.decide.contender_bars import ContenderBars, Shown
from tuiftune.tui.keys.scopes import DECIDE
from tuiftune.tui.kit.downloading import Downloading
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.evaluate.decision import Candidate
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.deciding import Outcome
    from tuiftune.jobs.decision_request import Wanted


class ClosedError(Exception):
    """The screen was closed, and nobody waits for the decision."""


@dataclass
class Doing(Message):
    """What is being measured, and its share; None if it is unknown."""

    what: str
    done: float | None


@dataclass
class Contended(Message):
    """A contender that all rows are scored for."""

    one: Candidate


@dataclass
class Decided(Message):
    """The decision, or why there is none."""

    outcome: Outcome | None
    fault: str = ""


class Decide(FullScreen[None]):
    """The same decision as `tuiftune decide`, in a thread. Closing it ends the models' processes; answers are
    kept, so that the next decision goes on from them.
    """  # words: ok

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (DECIDE,)
    SCROLLS = "#result"

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self._wanted = wanted
        self._shown = Shown(doing="reading rows")
        self._left = threading.Event()
        self._contenders: Contenders | None = None

    def compose(self) -> ComposeResult:
        run = self._wanted.run
        of = self._wanted.data if run is None else run.name
        yield TitleBar(f"{of}: prompt, retrieve or fine-tune?")
        with VerticalScroll(id="result"):
            yield ContenderBars(self._shown)
        yield KeyBar(DECIDE)

    def on_mount(self) -> None:
        from tuiftune.jobs.contenders import Contenders

        self.query_one("#result").focus()
        self._contenders = Contenders()
        self.in_thread("decide", self._measure, self._contenders)

    def on_unmount(self) -> None:
        self._left.set()
        if self._contenders is not None:
            threading.Thread(target=self._contenders.close).start()

    def _measure(self, contenders: Contenders) -> None:
        from tuiftune.jobs.decision_request import carry_out

        def progress(what: str, done: float | None) -> None:
            if self._left.is_set():
                raise ClosedError
            self.post_message(Doing(what, done))

        def tell(one: Candidate) -> None:
            self.post_message(Contended(one))

        try:
            with contenders:
                outcome = carry_out(self._wanted, contenders, progress, tell)
        except Exception as fault:
            if self._left.is_set():
                return  # whatever it was in the middle of, its models are gone
            if not isinstance(fault, UserError):
                raise
            self.post_message(Decided(None, str(fault)))
        else:
            self.post_message(Decided(outcome))

    @on(Doing)
    def _doing(self, message: Doing) -> None:
        self._shown.doing, self._shown.done = message.what, message.done
        self._draw()

    @on(Downloading)
    def _downloading(self, message: Downloading) -> None:
        self._shown.doing, self._shown.done = message.says, message.progress.share
        self._draw()

    @on(Contended)
    def _measured(self, message: Contended) -> None:
        self._shown.measured.append(message.one)
        self._draw()

    @on(Decided)
    def _decided(self, message: Decided) -> None:
        self._shown.outcome, self._shown.fault = message.outcome, message.fault
        self._draw()

    def _draw(self) -> None:
        self.query_one(ContenderBars).refresh(layout=True)

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)
