"""Contenders of a decision as bars: the score, its interval, tokens and price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.evaluate.wording import number, value, why_main
from tuiftune.figures import MISSING, count, duration, money, percent
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.evaluate.decision import Candidate
    from tuiftune.jobs.deciding import Outcome

NAME = 40  # cells of a name from 100 cells on
FIGURES = 24  # cells of a score with its interval
COSTS = 22  # cells of tokens, seconds and price, from 100 cells on


@dataclass
class Shown:
    """What the canvas draws; the screen changes it."""

    measured: list[Candidate] = field(default_factory=list)
    doing: str = ""
    done: float | None = None
    outcome: Outcome | None = None
    fault: str = ""


class ContenderBars(Canvas):
    """The sentence that says what to do, once it is known; below it every contender, the best first."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        shown = self._shown
        lines = [Line()]
        if shown.fault:
            lines += [Line(part, "warning") for part in wrapped(shown.fault, width)]
        elif shown.outcome is None:
            share = "" if shown.done is None else f" {percent(shown.done)}"
            lines.append(Line(f"{shown.doing}{share}", "soft"))
        else:
            lines += self._decided(shown.outcome, width)
        lines.append(Line())
        ordered = sorted(shown.measured, key=lambda one: -one.value)
        most = max((abs(one.evaluation.main.value or 0.0) for one in ordered), default=0.0)
        chosen = shown.outcome.decision.chosen if shown.outcome is not None else None
        for one in ordered:
            lines += self._contender(one, most, chosen is not None and one.key == chosen.key, width)
        if shown.outcome is not None:
            lines += self._notes(shown.outcome, width)
        return lines

    def _decided(self, outcome: Outcome, width: int) -> list[Line]:
        made = outcome.decision
        tested = made.rows_used.startswith("test")
        rows = len(outcome.splits.test if tested else outcome.splits.evaluation)
        why = why_main(outcome.candidates[0].evaluation.main.scorer, outcome.task)
        return [
            *(Line(part, "strong") for part in wrapped(made.says, width)),
            *(Line(part, "faint") for part in wrapped(f"{rows} rows: {made.rows_used}. {why}", width)),
        ]

    def _contender(self, one: Candidate, most: float, chosen: bool, width: int) -> list[Line]:
        """Return one line from 100 cells on, else two. The bar is solid up to the low end of the interval and
        shaded up to the high end.
        """
        wide = width >= 100
        name = f"{one.name} ({one.detail})" if one.detail else one.name
        sign = f"{self.glyphs.ok} " if chosen else "  "
        head = Line(sign, "good").add(
            wrapped(name, (NAME if wide else width) - 3, 1, self.glyphs.more)[0], "strong" if chosen else ""
        )
        bar = head if wide else Line("  ")
        bar.to(NAME if wide else 2)
        cells = max(8, width - bar.width - FIGURES - 1 - (COSTS if wide else 0))
        self._bar(bar, one, most, cells, chosen)
        bar.add(f" {self._score(one)}", "good" if chosen else "strong")
        if wide:
            bar.right(_costs(one), "faint", width)
            return [bar]
        return [head.right(_costs(one), "faint", width), bar]

    def _bar(self, line: Line, one: Candidate, most: float, cells: int, chosen: bool) -> None:
        main = one.evaluation.main
        top = 1.0 if main.scorer.unit == "share" else most or 1.0
        low, high = main.interval or (main.value or 0.0, main.value or 0.0)
        first, last = (round(max(0.0, min(1.0, end / top)) * cells) for end in (low, high))
        line.add(self.glyphs.bar[-1] * first, "good" if chosen else "c0")
        line.add(self.glyphs.line * (last - first), "good" if chosen else "c0")
        line.add(self.glyphs.track * (cells - last), "faint")

    def _score(self, one: Candidate) -> str:
        main = one.evaluation.main
        if main.value is None:
            return MISSING
        if main.interval is None:
            return number(main.value, main.scorer)
        low, high = (number(end, main.scorer).removesuffix("%") for end in main.interval)
        unit = "%" if main.scorer.unit == "share" else ""
        return f"{number(main.value, main.scorer)} ({low} to {high}{unit})"

    def _notes(self, outcome: Outcome, width: int) -> list[Line]:
        told = [f"Always the most common answer: {value(outcome.floor.main)}."]
        if outcome.break_even is not None:
            told.append(f"Fine-tuning pays for itself after {count(outcome.break_even)} answers.")
        told += outcome.notes
        told += [f"Not measured: {key}, because {why}." for key, why in outcome.skipped]
        told.append(f"Measured in {duration(outcome.seconds)}. Measuring again reuses these answers.")
        return [Line(), *(Line(part, "soft") for words in told for part in wrapped(words, width))]


def _costs(one: Candidate) -> str:
    used = one.evaluation.usage
    parts = []
    if used.tokens_in is not None and used.tokens_out is not None:
        parts.append(f"{used.tokens_in:.0f}+{used.tokens_out:.0f} tokens")
    if one.price is not None:
        parts.append(f"{money(one.price)}/1,000")
    elif used.seconds is not None:
        parts.append(f"{used.seconds:.2g} s")
    return "  ".join(parts)
