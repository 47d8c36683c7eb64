"""Cards one could rent, one a line: whether the draft fits, by which technique, how long, how dear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.figures import MISSING, duration, money, size
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.events import Click, MouseScrollDown, MouseScrollUp

    from tuiftune.wizard.gpu_rows import CardRow

NAME = 23  # the longest without the maker's family
BELOW = 4  # lines under the table


class CardList(Canvas):
    can_focus = True

    class Chosen(Message):
        """A card was double-clicked."""

    def __init__(self) -> None:
        super().__init__(id="cards")
        self._rows: list[CardRow] = []
        self._wanted = ""
        self._fault = ""
        self._number = 1
        self._at = 0
        self._top = 0

    @property
    def current(self) -> CardRow | None:
        return self._rows[self._at] if self._rows else None

    def begin(self, number: int, wanted: str) -> None:
        """Forget the rows; the cursor goes to the card of that name when it comes."""
        self._rows, self._at, self._top, self._fault = [], 0, 0, ""
        self._number, self._wanted = number, wanted
        self.redraw()

    def add(self, rows: list[CardRow], fault: str) -> None:
        """Further rows, or what is wrong with all of them."""
        before = len(self._rows)
        self._rows = [*self._rows, *rows]
        self._fault = fault or self._fault
        for index, row in enumerate(rows, before):
            if self._wanted and row.card and row.name == self._wanted:
                self._at = index
        self.redraw()

    def move(self, by: int) -> None:
        self._wanted = ""
        self._at = max(0, min(len(self._rows) - 1, self._at + by))
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._fault:
            return [Line(part, "error") for part in wrapped(self._fault, width)]
        if not self._rows:
            return [Line("planning for every card …", "soft")]
        room = max(1, height - BELOW - 1)
        self._top = max(0, min(self._top, self._at, len(self._rows) - room))
        if self._at >= self._top + room:
            self._top = self._at - room + 1
        head = "    card".ljust(NAME + 4) + "memory".rjust(9) + " by".ljust(7) + "needs".rjust(8)
        lines = [Line(head + "time".rjust(12) + "cost".rjust(9), "faint")]
        shown = enumerate(self._rows[self._top : self._top + room], self._top)
        lines += [self._line(row, index == self._at) for index, row in shown]
        lines += [Line()] * max(0, room + 1 - len(lines))
        return lines + self._about(width)

    def _line(self, row: CardRow, here: bool) -> Line:
        plan = row.plan
        sign, ink = (self.glyphs.ok, "good") if row.fits else (self.glyphs.error, "error")
        line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent").add(f"{sign} ", ink)
        name = row.name.removeprefix("GeForce ").removeprefix("Tesla ")[:NAME]
        line.add(name.ljust(NAME), "strong" if here else "").add(size(row.memory).rjust(9), "soft")
        if plan is None:
            return line.add("  no plan", "warning")
        line.add(f" {plan.resolved.method.technique}".ljust(7), "second" if row.fits else "faint")
        line.add(size(plan.memory.needs).rjust(8), "" if row.fits else "error")
        if not row.fits:
            return line
        line.add(duration(plan.seconds).rjust(12))
        return line.add((money(plan.usd) if plan.usd is not None else MISSING).rjust(9), "strong")

    def _about(self, width: int) -> list[Line]:
        """The card under the cursor, and what the figures are worth."""
        row = self.current
        assert row is not None
        if row.plan is None:
            return [Line(part, "warning") for part in wrapped(row.fault, width, BELOW)]
        copies = int(row.plan.gpu.get("count") or 1)
        parts = ["one card" if copies == 1 else f"{copies} cards, each with a copy of it all"]
        if row.card:
            price = row.plan.usd_per_hour
            parts.append(
                "no price is known" if price is None else f"{money(price)} an hour by the price table"
            )
        else:
            parts = ["what is here"]
        says = f"{row.name}: {', '.join(parts)}."
        basis = f"All of it is {row.plan.speed.basis}."
        return [
            *(Line(part, "soft") for part in wrapped(says, width, 2)),
            *(Line(part, "faint") for part in wrapped(basis, width, 2)),
        ]

    def on_click(self, event: Click) -> None:
        at = self._top + event.y - 1
        if event.y >= 1 and at < len(self._rows):
            self.move(at - self._at)
            if event.chain == 2:
                self.post_message(self.Chosen())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
