"""The evaluated rows of a result: which answers are wrong, by label, before and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import VerticalScroll

from tuiftune.data.excerpt import excerpt
from tuiftune.data.labels import as_label
from tuiftune.evaluate.task import task_of
from tuiftune.figures import percent, plural
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import WRONG
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.cursor_list import CursorList, FilterField
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from tuiftune.runs.store.result_rows import ResultRow

SHOWN: dict[str, Callable[[ResultRow], bool]] = {
    "wrong now": lambda row: not row.right_after,
    "wrong now, right before": lambda row: row.right_before and not row.right_after,
    "right now, wrong before": lambda row: row.right_after and not row.right_before,
    "all": lambda row: True,
}
LABEL = 11
MOST = 12  # lines of one text


def labels_of(rows: Sequence[ResultRow]) -> tuple[str, ...]:
    """Return the labels, most frequent first, if the reference answers are labels; else ()."""
    references = [row.reference for row in rows if row.reference.strip()]
    return task_of(references).labels if references else ()


class RowPicker(CursorList["ResultRow"]):
    """One line per row: whether its answer is right, before and after, and the answer."""

    def __init__(self) -> None:
        super().__init__(id="rows", classes="panel")
        self.nothing = ""

    def key(self, row: ResultRow) -> int:
        return row.row

    def text(self, row: ResultRow) -> str:
        return " ".join((row.prompt, row.reference, row.before or "", row.after or ""))

    def empty(self, width: int) -> list[Line]:
        """`nothing` says why there are no rows, and what shows others."""
        return [Line(part, "soft") for part in wrapped(self.nothing, width)]

    def head(self, width: int) -> list[Line]:
        half = (width - 18) // 2
        return [Line("     row  b a  " + "reference".ljust(half + 1) + "answer", "faint")]

    def line(self, row: ResultRow, here: bool, width: int) -> Line:
        glyphs, half = self.glyphs, (width - 18) // 2
        line = self.pointer(here).add(f"{row.row:>6}  ", "soft")
        for right in (row.right_before, row.right_after):
            line.add(glyphs.ok if right else glyphs.error, "good" if right else "error").add(" ")
        line.add(" ").add(excerpt(row.reference, half), "strong" if here else "").to(16 + half)
        return line.add(excerpt(row.after or "(empty)", half), "good" if row.right_after else "warning")


class RowDetail(Canvas):
    """One row in full: prompt, reference answer, and both answers."""

    def __init__(self) -> None:
        super().__init__()
        self._row: ResultRow | None = None

    def show(self, row: ResultRow | None) -> None:
        self._row = row
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        row = self._row
        if row is None:
            return [Line("no row selected", "faint")]
        lines: list[Line] = []
        for name, text, ink in (
            ("prompt", row.prompt, "soft"),
            ("reference", row.reference, "strong"),
            ("before", row.before, "good" if row.right_before else "warning"),
            ("after", row.after, "good" if row.right_after else "warning"),
        ):
            shown = self.glyphs.missing if text is None else text if text.strip() else "(empty)"
            for at, part in enumerate(wrapped(shown, width - LABEL, MOST, self.glyphs.more)):
                lines.append(Line(name if at == 0 else "", "faint").to(LABEL).add(part, ink))
        return lines


class WrongRows(FullScreen[None]):
    """All evaluated rows of a result; first those that are answered wrongly now."""

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (WRONG,)

    def __init__(self, name: str, rows: Sequence[ResultRow]) -> None:
        super().__init__()
        self._run_name, self._rows = name, rows
        self._labels = labels_of(rows)
        self._label = 0  # 0: every label
        self._shown = next(iter(SHOWN))

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self._run_name}: evaluated rows")
        yield RowPicker()
        yield FilterField(RowPicker, "words in the prompt, the reference or an answer", "row-filter")
        with VerticalScroll(id="row-detail", can_focus=False):
            yield RowDetail()
        yield KeyBar(WRONG)

    def on_mount(self) -> None:
        self.query_one(RowPicker).focus()
        self._show()

    def _show(self) -> None:
        label = self._labels[self._label - 1] if self._label else None
        wanted = None if label is None else as_label(label)
        rows = [
            row for row in self._rows if SHOWN[self._shown](row) and wanted in (None, as_label(row.reference))
        ]
        picker = self.query_one(RowPicker)
        picker.nothing = self._nothing(label)
        picker.show(rows)
        self.query_one(RowDetail).show(self.query_one(RowPicker).current)
        of = f" of {label}" if label is not None else ""
        share = percent(len(rows) / len(self._rows)) if self._rows else ""
        self.query_one(TitleBar).say(right=f"{self._shown}: {plural(len(rows), 'row')}{of} ({share})")
        self.query_one(KeyBar).redraw()

    def _nothing(self, label: str | None) -> str:
        """Return what an empty list means, and which key shows other rows."""
        of = "" if label is None else f" of {label}"
        told = {
            "wrong now": f"No row{of} is answered wrongly now.",
            "wrong now, right before": f"No row{of} was right before training and is wrong now.",
            "right now, wrong before": f"No row{of} was wrong before training and is right now.",
        }
        return f"{told.get(self._shown, f'No row{of}.')} Press s to show other rows, up to all of them."

    @on(RowPicker.Moved)
    def _moved(self) -> None:
        self.query_one(RowDetail).show(self.query_one(RowPicker).current)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return bool(self._labels) if action.startswith("label") else True

    def action_move(self, by: int) -> None:
        self.query_one(RowPicker).move(by)

    def action_label(self, by: int) -> None:
        """Show the rows of the next or the previous label; before the first: of every label."""
        self._label = (self._label + by) % (len(self._labels) + 1)
        self._show()

    def action_which(self) -> None:
        """Show other rows: wrong now, newly wrong, newly right, all."""
        names = list(SHOWN)
        self._shown = names[(names.index(self._shown) + 1) % len(names)]
        self._show()

    def action_filter(self) -> None:
        self.query_one(FilterField).open()

    def action_close(self) -> None:
        field = self.query_one(FilterField)
        if field.has_focus or field.value:
            field.clear()
        else:
            self.dismiss(None)
