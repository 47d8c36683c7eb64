"""Widgets of the clean screen: the options, and a preview of dropped and changed rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tuiftune.data.excerpt import excerpt
from tuiftune.figures import percent, plural
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.text_diff import differences
from tuiftune.tui.kit.wrap import flowing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from textual.geometry import Size

    from tuiftune.data.clean.removal import Removal
    from tuiftune.data.clean.repair import Change
    from tuiftune.data.dataset import Dataset

EACH = 4  # rows shown of a kind
CONTEXT = 24  # characters around a change
LONGEST = 160  # characters of one change


@dataclass(frozen=True, slots=True)
class Survey:
    """A preview of cleaning `dataset`; `stay` are the indices of the rows that would be written."""

    dataset: Dataset
    mended: Dataset
    changes: list[Change]
    removed: list[Removal]
    stay: NDArray[np.intp]
    parts: list[tuple[str, int]] = field(default_factory=list)  # of a split: name and rows


MEANS = {"no trained tokens": ": no answer, no prompt, or nothing readable"}


class ChoiceRow(NamedTuple):
    """One line of the options. `typed`: a value can be typed."""

    key: str
    name: str
    value: str
    says: str
    typed: bool


class RepairChoices(CursorList[ChoiceRow]):
    """The options by name and number, each with its value."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="repair-choices")

    def key(self, row: ChoiceRow) -> str:
        return row.key

    def line(self, row: ChoiceRow, here: bool, width: int) -> Line:
        number = next(place for place, each in enumerate(self.rows, 1) if each.key == row.key)
        line = self.pointer(here).add(f"{number} ", "key")
        line.add(row.name.ljust(16), "strong" if here else "soft")
        room = width - line.width - 6
        shown = row.value if len(row.value) <= room else self.glyphs.more + row.value[-room + 1 :]
        line.choice(self.glyphs, shown, here)
        if row.says:
            line.to(36).add(row.says, "faint")
        elif here and row.typed:
            line.add("  e: type another value", "faint")
        return line


class RepairChanges(Canvas):
    """The preview, or a line while it is computed."""

    def __init__(self) -> None:
        super().__init__(id="repair-changes")
        self._survey: Survey | None = None
        self._doing = ("", "")

    def show(self, survey: Survey) -> None:
        self._survey, self._doing = survey, ("", "")
        self.refresh(layout=True)

    def doing(self, what: str, ink: str = "second") -> None:
        """Show a line above the preview."""
        self._doing = (what, ink)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.paint(width, viewport.height))

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines = flowing([self._doing], width) if self._doing[0] else []
        found = self._survey
        if found is None:
            return lines
        gone = found.dataset.rows - len(found.stay)
        head = Line(f"{found.dataset.rows:,} rows", "strong").add(f" {self.glyphs.to} ", "soft")
        head.add(f"{len(found.stay):,} rows", "good").add(f", {gone:,} dropped", "error" if gone else "soft")
        lines.append(head.add(f", {len(found.changes):,} changed", "warning" if found.changes else "soft"))
        if found.parts:
            whole = max(1, sum(rows for _, rows in found.parts))
            parts = f" {self.glyphs.dot} ".join(
                f"{name} {rows:,} ({percent(rows / whole)})" for name, rows in found.parts
            )
            lines.append(Line("split  ", "soft").add(parts, "strong"))
        broken = found.dataset.malformed
        if broken.count:
            lines.append(Line(f"- {plural(broken.count, 'malformed line')}", "error"))
            for fault in broken.first[:EACH]:
                lines.append(Line(f"    {fault.place}: {fault.message}"[:width], "soft"))
        for removal in found.removed:
            lines += self._removal(removal, found, width)
        tally = Counter(what for change in found.changes for what in change.done)
        for what, count in tally.most_common():
            lines.append(Line(f"~ {count:,} ", "warning").add(what, "strong"))
            of_kind = [change for change in found.changes if what in change.done]
            for change in of_kind[:EACH]:
                row = found.mended.frame["row"][change.index]
                lines += flowing([(f"    {row}: ", "faint"), *_shortened(change)], width)
        if not found.removed and not found.changes and not broken.count:
            lines.append(Line(f"{self.glyphs.ok} Nothing to clean", "good"))
        return lines

    def _removal(self, removal: Removal, found: Survey, width: int) -> list[Line]:
        lines = [Line(f"- {len(removal.indices):,} ", "error").add(removal.why, "strong")]
        lines[0].add(MEANS.get(removal.why, ""), "soft")
        for place, index in enumerate(removal.indices[:EACH].tolist()):
            row = found.mended.frame.row(index, named=True)
            text = " | ".join(row[name] for name in ("prompt", "answer") if row[name]) or "(empty)"
            line = Line(f"    {row['row']}: ", "faint")
            if removal.partner is not None:
                line.add(f"like {found.mended.frame['row'][int(removal.partner[place])]}: ", "soft")
            lines.append(line.add(excerpt(text, max(10, width - line.width)), "soft"))
        return lines


def _shortened(change: Change) -> list[tuple[str, str]]:
    """Return the first differences in brackets, removed and added, with some context."""
    pieces: list[tuple[str, str]] = []
    length = 0
    found = differences(change.before, change.after)
    for place, (kind, old, new) in enumerate(found):
        if kind == "same":
            first, last = place == 0, place == len(found) - 1
            if first:
                old = ("…" if len(old) > CONTEXT else "") + old[-CONTEXT:]
            elif last or len(old) > 2 * CONTEXT:
                old = old[:CONTEXT] + "…" if len(old) > CONTEXT else old
            pieces.append((old.replace("\n", "⏎"), "soft"))
        else:
            if old:
                pieces.append((f"[-{excerpt(old, CONTEXT)}-]", "error"))
            if new:
                pieces.append((f"{{+{excerpt(new, CONTEXT)}+}}", "good"))
        length += len(old) + len(new)
        if length > LONGEST:
            break
    return pieces
