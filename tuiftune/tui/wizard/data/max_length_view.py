"""The max length slider below a histogram of row lengths, and its effects side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import count, duration, money, percent, plural, size
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.tokens import Lengths, Truncation
    from tuiftune.plan.model import Plan

RISE = " ▁▂▃▄▅▆▇█"
RISE_ASCII = " .:-=+*#@"
GAP = 2
Column = list[Line]


class CutView(Canvas):
    def __init__(self) -> None:
        super().__init__(id="cut")
        self._found: Lengths | None = None
        self._usable = 0
        self._places: Sequence[int] = ()
        self._at = 0
        self._lost: Truncation | None = None
        self._plan: Plan | None = None
        self._planned_at: int | None = None
        self._error = ""
        self._fault = ""
        self._each = 0  # cells of a column

    def begin(self, found: Lengths, usable: int, places: Sequence[int]) -> None:
        """Show the lengths, the number of usable rows, and the values of the slider."""
        self._found, self._usable, self._places = found, usable, places
        self.redraw()

    def fail(self, fault: str) -> None:
        """Show why there are no lengths."""
        self._fault = fault
        self.redraw()

    def move(self, at: int) -> None:
        self._at = at
        self.redraw()

    def lost(self, truncation: Truncation) -> None:
        self._lost = truncation
        self.redraw()

    def planned(self, at: int, plan: Plan | None, error: str) -> None:
        """Show the plan for a value of the slider, or why there is none."""
        self._planned_at, self._plan, self._error = at, plan, error
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._fault:
            return [Line(part, "error") for part in wrapped(f"{self.glyphs.error} {self._fault}", width)]
        if self._found is None:
            return [Line(f"{self.glyphs.waiting} counting tokens …", "second")]
        width -= 2
        self._each = each = (width - 3 * GAP) // 4
        cells = [self._rows(), self._answers(), self._memory(), self._time()]
        below: list[Line] = []
        for row in range(max(len(column) for column in cells)):
            line = Line(" ")
            for place, column in enumerate(cells):
                line.to(1 + place * (each + GAP))
                if row < len(column):
                    line.spans += column[row].spans
            below.append(line)
        foot = [Line(" ").add(part, "faint") for part in wrapped(self._found.basis, width, 2)]
        room = height - len(below) - len(foot) - 5
        return [*self._slider(width, max(3, min(room, 26))), Line(), *below, Line(), *foot]

    def _slider(self, width: int, height: int) -> list[Line]:
        """Return a histogram over the slider's values, with truncated lengths in another color."""
        assert self._found is not None
        total = self._found.total
        longest = int(total.max())
        most = max((place for place in self._places if place <= longest), default=self._places[-1])
        at = max(0, min(width - 1, round(self._at / most * width) - 1))
        counts = [0] * width
        for value in total.tolist():
            counts[max(0, min(width - 1, round(value / most * width) - 1))] += 1
        highest = max(counts)
        rise = RISE if self.glyphs.braille else RISE_ASCII
        lines = []
        for row in range(height, 0, -1):
            line = Line(" ")
            for place, value in enumerate(counts):
                level = round(value / highest * height * 8 - (row - 1) * 8)
                if value and row == 1:
                    level = max(1, level)
                cut = place > at or (place == width - 1 and longest > max(most, self._at))
                line.add(rise[max(0, min(8, level))], "error" if cut else "c0")
            lines.append(line)
        track = Line(" ").add(self.glyphs.line * at, "c0").add(self.glyphs.here, "accent")
        lines.append(track.add(self.glyphs.rule * (width - at - 1), "faint"))
        label = f"{self._at:,} tokens"
        foot = Line(" " * (1 + max(0, min(width - len(label), at - len(label) // 2)))).add(label, "strong")
        if self._at > longest:
            foot = Line(f" {label}, above the longest row".rjust(width + 1))
        lines.append(foot.right(f"longest {longest:,}", "faint", width))
        return lines

    def _column(self, title: str, big: str, ink: str, share: float | None, notes: list[str]) -> Column:
        """Return one effect: title, figure, bar, notes."""
        width = self._each
        lines = [Line(title[:width], "soft"), Line(big[:width], ink), Line()]
        if share is not None:
            lines[-1].bar(self.glyphs, share, width, ink)
        for note in notes:
            lines += [Line(part, "soft") for part in wrapped(note, width, 3, self.glyphs.more)]
        return lines

    def _rows(self) -> Column:
        assert self._found is not None
        total = self._found.total
        share = float((total > self._at).mean())
        cut = round(share * self._usable)
        sign = self.glyphs.warning if cut else self.glyphs.ok
        note = f"{percent(share, 1)} of {self._usable:,}"
        return self._column(
            "truncated", f"{sign} {plural(cut, 'row')}", "warning" if cut else "good", share, [note]
        )

    def _answers(self) -> Column:
        lost = self._lost
        if lost is None or lost.max_length != self._at:
            return self._column("answer lost", f"{self.glyphs.waiting} …", "soft", None, ["counting"])
        share = lost.answer_tokens_lost / lost.answer_tokens if lost.answer_tokens else 0.0
        sign = self.glyphs.error if lost.answer_tokens_lost else self.glyphs.ok
        notes = [f"{count(lost.answer_tokens_lost)} of {count(lost.answer_tokens)} tokens"]
        if len(lost.nothing_left):
            notes.append(f"{plural(len(lost.nothing_left), 'row')} without any trained token")
        ink = "error" if lost.answer_tokens_lost else "good"
        return self._column("answer lost", f"{sign} {percent(share, 1)}", ink, share, notes)

    def _memory(self) -> Column:
        plan = self._plan
        if self._planned_at != self._at:
            return self._column("memory", f"{self.glyphs.waiting} …", "soft", None, ["planning"])
        if plan is None:
            return self._column("memory", f"{self.glyphs.error} no plan", "error", None, [self._error])
        capacity = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
        sign = self.glyphs.ok if plan.fits else self.glyphs.error
        place = "RAM" if plan.gpu.get("kind") == "cpu" else str(plan.gpu.get("name"))
        notes = [f"{'fits' if plan.fits else 'does not fit'} {size(capacity)}", place]
        rows = plan.resolved.training.micro_batch
        notes.append(f"micro-batch {rows}")
        share = plan.memory.needs / capacity if capacity else None
        ink = "good" if plan.fits else "error"
        return self._column("memory", f"{sign} {size(plan.memory.needs)}", ink, share, notes)

    def _time(self) -> Column:
        plan = self._plan
        if self._planned_at != self._at or plan is None:
            return self._column("time and cost", f"{self.glyphs.waiting} …", "soft", None, [])
        if plan.seconds is None:
            return self._column("time and cost", self.glyphs.missing, "soft", None, [plan.speed.basis])
        notes = [plural(plan.steps, "step")]
        if plan.usd is None:
            notes.insert(0, "price unknown")
        elif plan.usd_per_hour is not None:
            notes.insert(0, f"{money(plan.usd)} at {money(plan.usd_per_hour)}/h")
        return self._column("time and cost", duration(plan.seconds), "strong", None, notes)
