"""Facts of the data: format and its confidence, rows, columns, labels, and a histogram of token lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.labels import counted
from tuiftune.figures import count, percent
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.wizard.data.mix_view import source_name

if TYPE_CHECKING:
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.mix.sources import Portion

LABEL = 9
MOST_LABELS = 8
RISE = " ▁▂▃▄▅▆▇█"
RISE_ASCII = " .:-=+*#@"


class DataFactsView(Canvas):
    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="data-facts", classes=classes)
        self._dataset: Dataset | None = None
        self._lengths: dict[str, Any] = {}
        self._reading: int | None = None
        self._portions: tuple[Portion, ...] = ()
        self._label_counts: list[tuple[str, int]] = []

    def clear(self) -> None:
        self._dataset, self._lengths, self._reading = None, {}, None
        self._label_counts, self._portions = [], ()
        self.redraw()

    def reading(self, rows: int) -> None:
        """Show the number of rows read so far."""
        self._reading = rows
        self.redraw()

    def show(self, dataset: Dataset) -> None:
        from tuiftune.data.checks.check import Subject
        from tuiftune.data.checks.labels import label_counts

        self._dataset = dataset
        self._label_counts = label_counts(Subject(dataset)) if dataset.format == "classification" else []
        self.redraw()

    def show_mix(self, portions: tuple[Portion, ...]) -> None:
        """Show the rows per epoch of each source; empty if there are no other sources."""
        self._portions = portions
        self.redraw()

    def show_lengths(self, lengths: dict[str, Any]) -> None:
        """Show the `lengths` of `data inspect`: quantiles and a histogram."""
        self._lengths = lengths
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        data = self._dataset
        if data is None:
            if self._reading is not None:
                return [Line(f"reading: {count(self._reading)} rows so far", "soft")]
            return [Line("no data read yet", "faint")]
        lines = [
            self._format(data, width),
            self._fact("rows", f"{data.rows:,}", "strong"),
        ]
        usable = int(data.usable.sum())
        if usable != data.rows:
            lines[-1].add(f", {usable:,} usable", "warning")
        roles = ", ".join(f"{role}: {column}" for role, column in data.columns.items())
        if roles:
            lines += self._wrapped("columns", roles, width, 2)
        if self._portions:
            lines += self._wrapped("epoch", self._mixture(), width, 3)
        for lost in data.lost[:2]:
            lines += self._wrapped("dropped", lost, width, 1, "warning")
        room = height - len(lines)
        labels = self._labels(width, room - 4)
        return lines + labels + self._histogram(width, max(3, min(room - len(labels), 12)))

    def _mixture(self) -> str:
        total = max(1, sum(portion.seen for portion in self._portions))
        parts = [
            f"{source_name(portion.source)} {percent(portion.seen / total)}" for portion in self._portions
        ]
        return f"{total:,} rows: {', '.join(parts)}"

    def _labels(self, width: int, room: int) -> list[Line]:
        """Return the most frequent labels as bars, as many as fit."""
        from tuiftune.data.checks.labels import RARE
        from tuiftune.data.excerpt import excerpt

        counts = counted(self._label_counts)
        if not counts or room < 1:
            return []
        fewest = counts[-1][1]
        spelled = len(self._label_counts)
        also = f" in {spelled:,} spellings" if spelled != len(counts) else ""
        head = self._fact("labels", f"{len(counts):,}{also}", "strong")
        each = f", {fewest:,} to {counts[0][1]:,} rows each"
        each = each if head.width + len(each) <= width else each.removesuffix(" rows each")
        head.add(each, "warning" if fewest < RARE else "soft")
        name = min(max(len(label) for label, _ in counts), width // 2)
        lines = [head]
        shown = counts[: min(len(counts), room - 1, MOST_LABELS)]
        for label, rows in shown:
            line = Line("  ").add(excerpt(label, name), "soft").to(name + 3)
            line.bar(self.glyphs, rows / counts[0][1], max(1, width - name - 10), "c1")
            lines.append(line.add(f" {count(rows)}", "soft"))
        return lines

    def _format(self, data: Dataset, width: int) -> Line:
        line = self._fact("format", data.format, "strong")
        sure = f"  confidence {percent(data.confidence)}"
        return line.add(sure, "soft") if line.width + len(sure) <= width else line

    def _fact(self, name: str, value: str, ink: str = "") -> Line:
        return Line(name.ljust(LABEL), "soft").add(value, ink)

    def _wrapped(self, name: str, value: str, width: int, most: int, ink: str = "") -> list[Line]:
        parts = wrapped(value, width - LABEL, most, self.glyphs.more)
        return [self._fact("" if row else name, part, ink) for row, part in enumerate(parts)]

    def _histogram(self, width: int, height: int) -> list[Line]:
        histogram = self._lengths.get("histogram") or {}
        counts, edges = histogram.get("counts") or [], histogram.get("edges") or []
        if not counts or len(edges) != len(counts) + 1:
            return [
                self._fact("lengths", "being counted …" if not self._lengths else "no usable rows", "faint")
            ]
        quantiles = self._lengths.get("quantiles") or {}
        half, most = quantiles.get("50"), quantiles.get("100")
        title = f"median {count(half)}, max {count(most)}" if half is not None else ""
        if len(title) + LABEL + 7 <= width:
            title += " tokens"
        lines = [self._fact("lengths", title)]
        rows = max(1, height - 2)
        each = max(1, width // len(counts))
        highest = max(counts)
        rise = RISE if self.glyphs.braille else RISE_ASCII
        for row in range(rows, 0, -1):
            line = Line()
            for value in counts:
                level = value / highest * rows * 8 - (row - 1) * 8
                if value and row == 1:
                    level = max(1.0, level)
                line.add(rise[max(0, min(8, round(level)))] * each, "c0")
            lines.append(line)
        foot = Line(f"{edges[0]:,}", "faint")
        lines.append(foot.right(f"{edges[-1]:,}+", "faint", each * len(counts)))
        return lines
