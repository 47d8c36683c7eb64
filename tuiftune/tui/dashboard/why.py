"""The dialog that explains every number and finding of a run: a list, and the reason of the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical

from tuiftune.runs.status import Fact
from tuiftune.tui.dashboard.facts_panel import row
from tuiftune.tui.keys.scopes import WHY
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult

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
NOTHING = Fact("health", "no data", "no data yet", "The training process has not reported anything yet.")


def remarked(health: Health, state: RunState) -> list[Fact]:
    """Return findings and warnings as facts, with their reasons."""
    found = [
        Fact(
            "health",
            remark.title,
            remark.words,
            f"{remark.why}\nFix: {remark.remedy}",
            _level(remark.severity),
        )
        for remark in health.remarks
    ]
    for warned in reversed(state.warnings):
        why = f"Warning of the training process ({warned.code}), last at step {warned.step:,}."
        remedy = f"\nFix: {warned.remedy}" if warned.remedy else ""
        found.append(Fact("health", "warning", warned.message, f"{why}{remedy}", "warning"))
    if not found:
        later = f" Too early to check: {', '.join(health.too_early)}." if health.too_early else ""
        looked = ", ".join(health.looked_at) or "nothing yet"
        found.append(Fact("health", "health", health.headline, f"Checked: {looked}.{later}"))
    return found


def _level(severity: str) -> str:
    return "" if severity == "info" else severity


class FactList(CursorList[Fact]):
    """The facts below the headings of their groups; the selected one stays visible."""

    can_focus = False

    def __init__(self, facts: list[Fact], at: int) -> None:
        super().__init__(id="facts")
        self.all = self.rows = facts
        self.at = at

    def key(self, row: Fact) -> tuple[str, str]:
        return row.group, row.name

    def paint(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        places: list[int | None] = []
        names = min(22, width // 3, 1 + max(len(fact.name) for fact in self.rows))
        for at, fact in enumerate(self.rows):
            if not at or fact.group != self.rows[at - 1].group:
                rule = self.glyphs.rule * max(0, width - len(HEADS[fact.group]) - 1)
                lines.append(Line(f"{HEADS[fact.group]} ", "title").add(rule, "faint"))
                places.append(None)
            here = at == self.at
            line = self.pointer(here)
            line.spans += row(fact, width - 2, self.glyphs, "accent" if here else "strong", names).spans
            lines.append(line)
            places.append(at)
        top = max(0, min(places.index(self.at) - height // 2, len(lines) - height)) if height else 0
        self.places = places[top:]
        return lines[top:]


class Reason(Canvas):
    """The selected fact in full: its value and its reason."""

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
    """The dialog. The cursor starts in `group`. The dashboard that opened it passes new facts to `take`."""

    SCOPES = (WHY,)

    def __init__(self, facts: list[Fact], group: str) -> None:
        super().__init__()
        facts = facts or [NOTHING]
        at = next((index for index, fact in enumerate(facts) if fact.group == group), 0)
        self._list, self._reason = FactList(facts, at), Reason()

    def compose(self) -> ComposeResult:
        with Vertical(id="why") as box:
            box.border_title = "Reasons"
            box.border_subtitle = "arrows: move, Esc: close"
            yield self._list
            yield self._reason

    def on_mount(self) -> None:
        self._explain()

    def take(self, facts: list[Fact]) -> None:
        """Update the facts; the selection stays on the fact with the same name."""
        if facts and facts != self._list.all:
            self._list.show(facts)
            self._explain()

    @on(FactList.Moved)
    def _explain(self) -> None:
        fact = self._list.rows[self._list.at]
        self._reason.fact = fact
        self._reason.entitle(fact.name)
        self._reason.redraw()

    def action_move(self, by: int) -> None:
        self._list.move(by)

    def action_group(self, by: int) -> None:
        """Go to the first fact of the next or the previous group."""
        groups = list(dict.fromkeys(fact.group for fact in self._list.rows))
        there = groups.index(self._list.rows[self._list.at].group)
        wanted = groups[max(0, min(len(groups) - 1, there + by))]
        self._list.go_to(next(index for index, fact in enumerate(self._list.rows) if fact.group == wanted))
