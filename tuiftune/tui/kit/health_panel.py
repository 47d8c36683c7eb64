"""The health of a run: findings with their fixes, then the warnings of the training process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.runs.health import Health
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.tui.kit.glyphs import Glyphs

INKS = {"ok": "good", "info": "second", "warning": "warning", "error": "error", "": "soft"}


def headline(glyphs: Glyphs, health: Health, width: int) -> tuple[str, str]:
    """Return sign and words in `width` cells, and the ink."""
    sign = glyphs.severity(health.severity) if health.severity else glyphs.waiting
    return f"{sign} {wrapped(health.headline, max(1, width - 2), 1, glyphs.more)[0]}", INKS[health.severity]


class HealthPanel(Canvas):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._state: RunState | None = None
        self._health: Health | None = None

    def show(self, state: RunState, health: Health) -> None:
        self._state, self._health = state, health
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        state, health = self._state, self._health
        if state is None or health is None:
            return []
        lines: list[Line] = []
        if not health.remarks:
            words = "healthy" if health.severity == "ok" else health.headline
            sign = self.glyphs.ok if health.severity == "ok" else self.glyphs.waiting
            lines.append(Line(f"{sign} {words}", INKS[health.severity]))
        for remark in health.remarks:
            lines += self._entry(remark.severity, remark.words, remark.remedy, width)
        for warned in reversed(state.warnings):
            times = f" ({warned.times} times)" if warned.times > 1 else ""
            lines += self._entry(
                "warning", f"step {warned.step:,}: {warned.message}{times}", warned.remedy, width
            )
        if health.looked_at:
            lines += self._listed("checked", health.looked_at, width)
        if health.too_early:
            lines += self._listed("too early to check", health.too_early, width)
        if len(lines) > height > 0:
            hidden = len(lines) - height + 1
            lines = [
                *lines[: height - 1],
                Line(f"{self.glyphs.more} {hidden} more lines: press z", "faint"),
            ]
        return lines

    def _entry(self, severity: str, words: str, remedy: str, width: int) -> list[Line]:
        first, *rest = wrapped(words, width - 2)
        lines = [Line(f"{self.glyphs.severity(severity)} {first}", INKS[severity])]
        lines += [Line(f"  {part}", INKS[severity]) for part in rest]
        if remedy:
            arrow = self.glyphs.to
            first, *rest = wrapped(remedy, width - 3 - len(arrow))
            lines.append(Line(f"  {arrow} ", "accent").add(first, "soft"))
            lines += [Line(" " * (3 + len(arrow))).add(part, "soft") for part in rest]
        return lines

    def _listed(self, label: str, names: tuple[str, ...], width: int) -> list[Line]:
        return [Line(part, "faint") for part in wrapped(f"{label}: {', '.join(names)}", width)]
