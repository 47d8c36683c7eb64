"""The log of a run in lines: phases, evaluations, checkpoints, warnings with their fixes, and its end."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent, plural, real, size
from tuiftune.runs.log.events import OLD_DETAILS
from tuiftune.runs.state.readings import number, text, whole
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.run_header import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.runs.log.events import Event

KEPT = 400
Entry = tuple[float | None, str, str, str]  # time, severity, text, remedy


def entry(event: Event) -> Entry | None:
    """Return the line for one event; None for frequent ones (steps, readings, heartbeats)."""
    kind, at = event.get("type"), number(event, "t")
    if kind == "start":
        what = " ".join(part for part in (text(event, "technique"), "of", text(event, "model")) if part)
        resumed = text(event, "resumed_from")
        return at, "info", f"started: {what}" + (f", resumed from {resumed}" if resumed else ""), ""
    if kind == "phase":
        done = whole(event, "done")
        if done:
            return None
        detail = text(event, "detail")
        detail = OLD_DETAILS.get(detail, detail)
        name = text(event, "name")
        return at, "info", PHASES.get(name, name) + (f": {detail}" if detail else ""), ""
    if kind == "eval":
        when = {"before": "base model", "after": "fine-tuned model"}.get(
            text(event, "when"), f"step {whole(event, 'step') or 0:,}"
        )
        loss, perplexity = real(number(event, "loss")), real(number(event, "perplexity"))
        return at, "info", f"{when}: eval loss {loss}, perplexity {perplexity}", ""
    if kind == "score":
        whose = "base model" if event.get("when") == "before" else "fine-tuned model"
        matched, rows = whole(event, "matched"), whole(event, "rows")
        of = f" ({matched} of {rows})" if matched is not None and rows is not None else ""
        return at, "info", f"{whose}: exact match {percent(number(event, 'exact_match'))}{of}", ""
    if kind == "samples" and text(event, "when") == "during":
        took = number(event, "seconds")
        rows = whole(event, "count") or 0
        words = f"generated {plural(rows, 'sample answer')}"
        return at, "info", words + (f" in {took:.1f} s" if took is not None else ""), ""
    if kind == "checkpoint":
        took = number(event, "seconds")
        words = f"checkpoint at step {whole(event, 'step') or 0:,}, {size(number(event, 'bytes'))}"
        return at, "ok", words + (f" in {duration(took)}" if took is not None else ""), ""
    if kind == "warning":
        return at, "warning", text(event, "message") or text(event, "code"), text(event, "remedy")
    if kind == "control":
        by = text(event, "by")
        return at, "warning", f"{text(event, 'what')} requested" + (f" by {by}" if by else ""), ""
    if kind == "end":
        state, why = text(event, "state"), text(event, "why")
        severity = (
            "ok" if state == "done" else "warning" if state in {"stopped", "preempted", "killed"} else "error"
        )
        return at, severity, f"{state}" + (f": {why}" if why else ""), ""
    return None


class LogPanel(Canvas):
    """The newest lines at the bottom; `up` and `down` scroll when it has the focus."""

    can_focus = True

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._back = 0

    def take(self, events: Iterable[Event]) -> None:
        """Add the lines of these events; call `redraw` afterwards."""
        for event in events:
            line = entry(event)
            if line is not None:
                self._entries.append(line)
                if line[3]:
                    self._entries.append((None, "remedy", line[3], ""))

    def clear(self) -> None:
        self._entries.clear()
        self._back = 0

    def scroll(self, lines: int) -> None:
        """Scroll back (positive) or forward."""
        most = max(0, len(self._entries) - self.size.height)
        self._back = max(0, min(most, self._back + lines))
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._entries:
            return [Line("no events yet", "faint")]
        stop = len(self._entries) - self._back
        inks = {"ok": "good", "warning": "warning", "error": "error"}
        lines = []
        for at, severity, words, _ in list(self._entries)[max(0, stop - height) : stop]:
            if severity == "remedy":
                lines.append(Line(" " * 11).add(f"{self.glyphs.to} ", "accent").add(words, "soft"))
                continue
            clock = time.strftime("%H:%M:%S", time.localtime(at)) if at is not None else " " * 8
            line = Line(f"{clock} ", "faint").add(
                f"{self.glyphs.severity(severity)} ", inks.get(severity, "faint")
            )
            lines.append(line.add(words, inks.get(severity, "") if severity in {"warning", "error"} else ""))
        return lines
