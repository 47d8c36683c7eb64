"""Why a number of the run is what it is: every number and every remark in a list, and below the marked one's
reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.message import Message

from tuiftune.runs.status import Fact
from tuiftune.tui.dashboard.facts_panel import row
from tuiftune.tui.keys.scopes import WHY
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Click

    from tuiftune.runs.health import Health
    from tuiftune.runs.state.run_state import RunState

HEADS = {
    "health": "health",
    "time": "time",
    "money": "money",
    "learning": "learning",
    "memory": "memory",
    "disk": "disk",
    "machine": "machine",
}
NOTHING = Fact("health", "nothing", "nothing is known yet", "the engine has not said anything")


def remarked(health: Health, state: RunState) -> list[Fact]:
    """Remarks and warnings as facts, so that each can be asked why."""
    found = [
        Fact(
            "health",
            remark.title,
            remark.words,
            f"{remark.why}\nWhat to do: {remark.remedy}",
            _level(remark.severity),
        )
        for remark in health.remarks
    ]
    for warned in reversed(state.warnings):
        why = f"the engine's own warning ({warned.code}), last said at step {warned.step:,}"
        remedy = f"\nWhat to do: {warned.remedy}" if warned.remedy else ""
        found.append(Fact("health", "warning", warned.message, f"{why}{remedy}", "warning"))
    if not found:
        later = f"; too early for {', '.join(health.too_early)}" if health.too_early else ""
        looked = ", ".join(health.looked_at) or "nothing yet"
        found.append(Fact("health", "health", health.headline, f"looked at: {looked}{later}"))
    return found


def _level(severity: str) -> str:
    return "" if severity == "info" else severity


class Chosen(Message):
    """A line was clicked."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


class FactList(Canvas):
    """The facts under the headings of their groups; the marked one stays in sight."""

    def __init__(self, facts: list[Fact], at: int) -> None:
        super().__init__(id="facts")
        self.facts, self.at = facts, at
        self._places: list[int | None] = []

    def paint(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        places: list[int | None] = []
        for index, fact in enumerate(self.facts):
            if not index or fact.group != self.facts[index - 1].group:
                rule = self.glyphs.rule * max(0, width - len(HEADS[fact.group]) - 1)
                lines.append(Line(f"{HEADS[fact.group]} ", "title").add(rule, "faint"))
                places.append(None)
            marked = index == self.at
            line = Line(f"{self.glyphs.pointer} " if marked else "  ", "accent")
            line.spans += row(fact, width - 2, self.glyphs, "accent" if marked else "strong").spans
            lines.append(line)
            places.append(index)
        top = max(0, min(places.index(self.at) - height // 2, len(lines) - height)) if height else 0
        self._places = places[top:]
        return lines[top:]

    def on_click(self, event: Click) -> None:
        if 0 <= event.y < len(self._places) and (at := self._places[event.y]) is not None:
            self.post_message(Chosen(at))


class Reason(Canvas):
    """The marked fact in full: its value and why it is that."""

    def __init__(self) -> None:
        super().__init__(id="reason")
        self.fact = NOTHING

    def paint(self, width: int, height: int) -> list[Line]:
        fact = self.fact
        lines = [Line(part, "strong") for part in wrapped(fact.value, width, 3, self.glyphs.more)]
        return lines + [
            Line(part, "soft")
            for part in wrapped(fact.why, width, max(1, height - len(lines)), self.glyphs.more)
        ]


class Why(Dialog[None]):
    """`group` is where the cursor begins: that of the panel one comes from. The dashboard that opened it
    hands over what is new: `take`."""

    SCOPES = (WHY,)

    def __init__(self, facts: list[Fact], group: str) -> None:
        super().__init__()
        facts = facts or [NOTHING]
        at = next((index for index, fact in enumerate(facts) if fact.group == group), 0)
        self._list, self._reason = FactList(facts, at), Reason()

    def compose(self) -> ComposeResult:
        with Vertical(id="why") as box:
            box.border_title = "Why?"
            box.border_subtitle = "arrows move, Esc closes"
            yield self._list
            yield self._reason

    def on_mount(self) -> None:
        self._mark(self._list.at)

    def take(self, facts: list[Fact]) -> None:
        """The facts of now; the mark stays on the one it is on, by its name."""
        facts = facts or [NOTHING]
        if facts != self._list.facts:
            marked = self._list.facts[self._list.at]
            self._list.facts = facts
            known = [(fact.group, fact.name) for fact in facts]
            self._mark(known.index(key) if (key := (marked.group, marked.name)) in known else self._list.at)

    @on(Chosen)
    def _chosen(self, message: Chosen) -> None:
        self._mark(message.at)

    def _mark(self, at: int) -> None:
        self._list.at = max(0, min(len(self._list.facts) - 1, at))
        fact = self._list.facts[self._list.at]
        self._reason.fact = fact
        self._reason.entitle(fact.name)
        self._list.redraw()
        self._reason.redraw()

    def action_move(self, by: int) -> None:
        self._mark(self._list.at + by)

    def action_group(self, by: int) -> None:
        """To the first fact of the next or the previous group."""
        groups = list(dict.fromkeys(fact.group for fact in self._list.facts))
        there = groups.index(self._list.facts[self._list.at].group)
        wanted = groups[max(0, min(len(groups) - 1, there + by))]
        self._mark(next(index for index, fact in enumerate(self._list.facts) if fact.group == wanted))
