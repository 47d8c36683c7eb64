"""The probe of the wizard: short runs over learning rates, their bars as they go, and the rate to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.containers import VerticalScroll
from textual.message import Message

from tuiftune.errors import UserError
from tuiftune.figures import duration, plural, real
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import PROBE
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.jobs.probing import Probe
    from tuiftune.jobs.study.standing import Standing
    from tuiftune.jobs.study.study import Study
    from tuiftune.preset.schema import Preset
    from tuiftune.wizard.probing import Offer

BAR = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a probe is: its variants, the base model's eval loss, runs that ended, and what runs now."""

    standings: tuple[Standing, ...]
    base: float | None
    done: int
    runs: int
    now: str


@dataclass
class Told(Message):
    """A probe as it goes on; at its end with what it shows, or why it ended without."""

    seen: Seen | None = None
    probe: Probe | None = None
    error: str = ""
    words: str = ""


class RateBars(Canvas):
    """A line for each rate: the share of the best gain over the base model, its eval loss and its state."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: Seen | None = None
        self._probe: Probe | None = None
        self._words = "planning …"

    def show(self, told: Told) -> None:
        """Show what a probe tells."""
        self._seen, self._probe = told.seen or self._seen, told.probe or self._probe
        self._words = told.words or self._words
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        seen = self._seen
        if seen is None:
            return [Line(self._words, "soft")]
        known = [loss for one in seen.standings if (loss := _loss(one)) is not None]
        lowest = min(known, default=None)
        lines = [Line(f"{'rate':>10}   {'gain over the base model':<{BAR + 4}}  eval loss   state", "faint")]
        chosen = None if self._probe is None else self._probe.chosen
        for one in sorted(seen.standings, key=lambda each: next(iter(each.variant.values.values()))):
            rate, loss = next(iter(one.variant.values.values())), _loss(one)
            share = None
            if loss is not None and lowest is not None and seen.base is not None and lowest < seen.base:
                share = max(0.0, (seen.base - loss) / (seen.base - lowest))
            here = chosen is not None and one.variant.key == chosen.variant.key
            line = Line(f"{rate:>10.2g}   ", "strong" if here else "")
            line.bar(self.glyphs, share, BAR + 4, "good" if one.tied else "c0")
            line.add(f"  {real(loss):>9}   ", "strong" if here else "soft").add(one.state, "soft")
            lines.append(line)
        lines.append(Line())
        if self._probe is not None:
            lines += [Line(part, "strong") for part in wrapped(self._probe.says, width)]
            lines += [Line(part, "soft") for note in self._probe.notes for part in wrapped(note, width)]
        else:
            words = f"{seen.done} of {plural(seen.runs, 'run')}"
            lines.append(Line(words + (f" {self.glyphs.dot} {seen.now}" if seen.now else ""), "soft"))
        return lines


def _loss(one: Standing) -> float | None:
    return one.loss if one.loss is not None else one.latest


class ProbeScreen(FullScreen[dict[str, Any]]):
    """Runs a probe of a preset; dismissed with the values to use, or None. Leaving it stops the probe."""

    CSS_PATH = f"{STYLES}/wizard.tcss"
    SCOPES = (PROBE,)
    SCROLLS = "#probe"

    def __init__(self, preset: Preset, offer: Offer) -> None:
        super().__init__()
        self._preset, self._offer = preset, offer
        self._probe: Probe | None = None
        self._study: Study | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self._preset.name}: learning rate", f"about {duration(60 * self._offer.minutes)}")
        with VerticalScroll(id="probe"):
            yield RateBars()
        yield KeyBar(PROBE)

    def on_mount(self) -> None:
        self.query_one("#probe").focus()
        self.in_thread("probe", self._measure)

    def _measure(self) -> None:
        """In a thread: plan, run and conclude."""
        from tuiftune.jobs.probing import prepare_probe
        from tuiftune.wizard.probing import SEEDS

        def say(what: str) -> None:
            self.post_message(Told(words=f"{what} …"))

        minutes = 2 * self._offer.minutes
        try:
            probing = prepare_probe(
                self._preset,
                self.app.runs_root,
                seeds=SEEDS,
                steps=self._offer.steps,
                minutes=minutes,
                say=say,
            )
            self._study = probing.study
            probe = probing.run(self._tell)
        except UserError as fault:
            self.post_message(Told(error=str(fault)))
            return
        self.post_message(Told(seen=_seen(probing.study), probe=probe))

    def _tell(self, study: Study) -> None:
        self.post_message(Told(seen=_seen(study)))

    def on_told(self, message: Told) -> None:
        if message.error:
            self.notify(message.error, severity="error", markup=False, timeout=10)
            self.dismiss(None)
            return
        self._probe = message.probe or self._probe
        self.query_one(RateBars).show(message)
        self.query_one(KeyBar).redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        if action == "take":
            return self._probe is not None and self._probe.chosen is not None
        return True

    def action_take(self) -> None:
        """Use the rate in the preset."""
        if self._probe is not None and self._probe.chosen is not None:
            self.dismiss(self._probe.values)

    def action_close(self) -> None:
        """Back to the review. What runs is stopped with a checkpoint, and continues from there next time."""
        if self._study is not None:
            self._study.asked_to_stop = True
        self.dismiss(None)


def _seen(study: Study) -> Seen:
    from tuiftune.jobs.study import standing
    from tuiftune.jobs.study.trial import ENDED, RUNNING

    now = [f"{trial.variant.label} step {trial.step}" for trial in study.trials if trial.state == RUNNING]
    done = sum(trial.state in ENDED for trial in study.trials)
    found = tuple(standing.standings(study))
    return Seen(found, standing.base_loss(study), done, len(study.trials), ", ".join(now))
