"""The memory of one GPU by component, then steps, time and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import count, money, plural, roughly, size
from tuiftune.plan.bar import cells, segments
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.options import Quality
    from tuiftune.plan.bar import Segment
    from tuiftune.plan.model import Plan

INKS = {
    "weights": "c0",
    "quantisation constants": "c6",  # words: ok (key of plan --json)
    "teacher": "cut",
    "adapters": "c1",
    "gradients": "c2",
    "optimizer": "c4",
    "activations kept": "c3",
    "activations peak": "second",
    "head and loss": "warning",
    "kernel scratch": "raw",
    "generation": "accent",
    "allocator": "c7",
    "context": "soft",
    "margin": "error",
    "free": "faint",
}
# The effect on quality compared with the recommended value: a sign in addition to the color.
LEANS = {
    "better": ("▲", "good"),
    "same": ("=", "soft"),
    "worse": ("▼", "warning"),
    "unsure": ("?", "warning"),
}
ASCII_LEANS = {"better": "+", "same": "=", "worse": "-", "unsure": "?"}


class MemoryBar(Canvas):
    """A view of one plan, with one reason below."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="memory", classes=classes)
        self._plan: Plan | None = None
        self._note = ("", "", "")
        self._against = ""
        self._quality: Quality | None = None
        self._doing = ""

    def planning(self) -> None:
        """Show that a plan is being made; the old one stays until then."""
        self._doing = "planning …"
        self._title()
        self.redraw()

    def show(self, plan: Plan | None, against: str = "") -> None:
        """Show a plan. `against` is its difference from the recommended plan."""
        self._plan, self._against, self._doing = plan, against, ""
        self._title()
        self.redraw()

    def explain(self, title: str, why: str, source: str) -> None:
        """Show a reason and its source below."""
        self._note = (title, why, source)
        self.redraw()

    def judge(self, quality: Quality | None) -> None:
        """Show the effect of the value under the cursor on quality."""
        self._quality = quality
        self.redraw()

    def _title(self) -> None:
        name = ""
        if self._plan is not None:
            gpu = self._plan.gpu
            name = "CPU and RAM" if gpu.get("kind") == "cpu" else str(gpu.get("name"))
            if (gpu.get("count") or 1) > 1:
                name += f", each of {gpu['count']} GPUs (predicted)"
            if gpu.get("source") == "--gpu":
                name += " (not in this machine)"
        self.entitle(f"memory: {name}" if name else "memory")
        self.border_subtitle = self._doing

    def paint(self, width: int, height: int) -> list[Line]:
        plan = self._plan
        if plan is None:
            return [Line(self._doing or "no plan yet", "soft"), *self._reason(width, height - 1)]
        capacity = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
        letters = self.app.no_color or not self.glyphs.braille
        parts = segments(plan.memory, capacity)
        bar = Line()
        for part, number in cells(parts, width):
            sign = part.sign if letters else self.glyphs.track if part.name == "free" else self.glyphs.bar[-1]
            bar.add(sign * number, INKS[part.name])
        sign = self.glyphs.ok if plan.fits else self.glyphs.error
        words, ink = ("fits", "good") if plan.fits else ("does not fit", "error")
        if plan.near_limit:
            sign, words, ink = self.glyphs.warning, "fits, close to the limit", "warning"
        verdict = Line(f"{sign} {words}", ink)
        verdict.add(f"  needs {size(plan.memory.needs)} of {size(capacity)}", "strong")
        lines = [
            bar,
            *self._legend(parts, width, letters, 1 if height < 9 else 4),
            verdict,
        ]
        lines.append(self._cost(plan, width))
        if self._against:
            lines.append(Line(self._against, "accent"))
        lines += self._judged(width, 2 if height >= 9 else 1)
        notes: list[Line] = []
        for note in plan.notes[:2] if height >= 12 else ():
            notes += [Line(part, "faint") for part in wrapped(note, width, 2)]
        return lines + self._reason(width, height - len(lines) - len(notes)) + notes

    def _judged(self, width: int, most: int) -> list[Line]:
        found = self._quality
        if found is None:
            return []
        sign, ink = LEANS[found.leans]
        head = f"quality {sign if self.glyphs.braille else ASCII_LEANS[found.leans]} "
        words = wrapped(f"{head}{found.says} [{found.source}]", width, most, self.glyphs.more)
        return [
            Line(words[0][: len(head)], ink).add(words[0][len(head) :]),
            *(Line(part) for part in words[1:]),
        ]

    def _legend(self, parts: list[Segment], width: int, letters: bool, most: int) -> list[Line]:
        lines = [Line()]
        for part in sorted(parts, key=lambda part: -part.bytes):
            if part.name == "free":
                continue
            mark = part.sign if letters else "■"
            text = f"{part.label} {size(part.bytes)}"
            if lines[-1].width + len(text) + 4 > width:
                if len(lines) == most:
                    break
                lines.append(Line())
            lines[-1].add(f"{mark} ", INKS[part.name]).add(text + "  ", "soft")
        return lines

    def _cost(self, plan: Plan, width: int) -> Line:
        parts = [
            plural(plan.steps, "step") if plan.steps else "",
            f"about {roughly(plan.seconds)}" if plan.seconds else "",
        ]
        if plan.speed.tokens_per_second:
            parts.append(f"{count(plan.speed.tokens_per_second)} tokens/s predicted")
        if plan.usd is not None:
            parts.append(f"{money(plan.usd)} at {money(plan.usd_per_hour)}/hour")
        del width
        return Line(f" {self.glyphs.dot} ".join(part for part in parts if part), "strong")

    def _reason(self, width: int, room: int) -> list[Line]:
        title, why, source = self._note
        if not title or room < 1:
            return []
        text = f"{why} [{source}]" if source else why
        head = f"{title}: "
        parts = wrapped(head + text, width, room, self.glyphs.more)
        first = Line(parts[0][: len(head)], "accent").add(parts[0][len(head) :], "soft")
        return [first, *(Line(part, "soft") for part in parts[1:])]
