"""Before and after as bars: held-out loss, perplexity, exact match, and what the run cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.similar.twins import leakage_told
from tuiftune.figures import count, duration, percent, real
from tuiftune.runs.reports.verdict import of
from tuiftune.runs.state.readings import part
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

LABEL = 13


class Changes(Canvas):
    """A view of `result.json`; what it does not say is written as missing."""

    def __init__(self, result: dict[str, Any], fault: str = "") -> None:
        super().__init__()
        self._result = result
        self._fault = fault

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if self._fault:
            return [Line(line, "warning") for line in wrapped(self._fault, width)]
        before, after = self._result.get("before") or {}, self._result.get("after") or {}
        lines = [Line()]
        for key, name, write, top in (
            ("loss", "eval loss", real, None),
            ("perplexity", "perplexity", real, None),
            ("exact_match", "exact match", percent, 1.0),
        ):
            lines += self._pair(name, before.get(key), after.get(key), write, top, width)
        rows = after.get("rows") or before.get("rows")
        basis = f"on {rows:,} held-out rows" if isinstance(rows, int) else ""
        lines.append(Line(" " * LABEL).add(basis, "faint"))
        if known := leakage_told(part(after, "leakage")):
            lines += [Line(" " * LABEL).add(words, "warning") for words in wrapped(known, width - LABEL)]
        lines += [Line(), *self._judged(width)]
        seconds, steps = self._result.get("seconds"), self._result.get("steps")
        facts = [
            f"{count(steps)} steps" if steps else "",
            duration(seconds) if seconds else "",
            f"{count(self._result.get('tokens'))} tokens" if self._result.get("tokens") else "",
            f"best at step {self._result['best_step']:,}" if self._result.get("best_step") else "",
        ]
        dot = f" {self.glyphs.dot} "
        lines.append(Line("training".ljust(LABEL), "soft").add(dot.join(fact for fact in facts if fact)))
        trainable, parameters = self._result.get("trainable"), self._result.get("parameters")
        if trainable and parameters:
            share = percent(trainable / parameters, 1)
            technique = self._result.get("technique", "")
            words = f"{technique}: {count(trainable)} of {count(parameters)} weights ({share})"
            lines.append(Line("trained".ljust(LABEL), "soft").add(words))
        if self._result.get("model"):
            lines.append(Line("saved in".ljust(LABEL), "soft").add(str(self._result["model"])))
        return [*lines, Line()]

    def _judged(self, width: int) -> list[Line]:
        """Whether it is better than its base model, and what to try if it isn't."""
        verdict = of(self._result)
        if verdict is None or not verdict.says:
            return []
        sign, ink = (self.glyphs.ok, "good") if verdict.better else (self.glyphs.warning, "warning")
        lines = [Line(part, ink) for part in wrapped(f"{sign} {verdict.says}", width)]
        lines += [Line(f"  {part}", "soft") for part in wrapped(verdict.fix, width - 2) if part]
        return [*lines, Line()]

    def _pair(
        self,
        name: str,
        before: Any,
        after: Any,
        write: Callable[[float | None], str],
        top: float | None,
        width: int,
    ) -> list[Line]:
        first = float(before) if isinstance(before, int | float) else None
        second = float(after) if isinstance(after, int | float) else None
        scale = top or max(first or 0.0, second or 0.0) or 1.0
        bar = max(8, width - LABEL - 20)
        better = first is not None and second is not None and (second > first if top else second < first)
        after_ink = "good" if better else "soft" if first == second else "warning"
        lines = []
        for label, value, ink in (("before", first, "c7"), ("after", second, after_ink)):
            line = Line(name.ljust(LABEL) if label == "before" else " " * LABEL, "soft")
            line.add(label.ljust(7), "faint").bar(
                self.glyphs, None if value is None else value / scale, bar, ink
            )
            lines.append(line.add(f" {write(value):>8}", "strong" if label == "before" else ink))
        return lines
