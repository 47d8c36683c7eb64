"""A list with a cursor: what every list of the app shares. A subclass says how a row is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.message import Message

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.field import Field

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from typing import Any

    from textual.events import Click, MouseScrollDown, MouseScrollUp


Row = TypeVar("Row")
PAGE = 8  # rows


class CursorList(Canvas, Generic[Row]):
    """`rows` are those that the filter leaves, `at` is the place of the cursor among them.

    One line a row, below those of `head` and above those of `foot`. A list that draws otherwise overrides
    `paint` and notes in `places` which row each line of the screen belongs to.
    """

    can_focus = True
    CENTERED: ClassVar[bool] = False  # the cursor stays in the middle, instead of moving through the window
    WRAPS: ClassVar[bool] = False  # beyond the last row comes the first

    class OfList(Message):
        def __init__(self, of: CursorList[Any]) -> None:
            super().__init__()
            self.list = of

        @property
        def control(self) -> CursorList[Any]:
            """The list, for `@on(…, "#id")`."""
            return self.list

    class Moved(OfList):
        """The cursor is on another row, or on none."""

    class Chosen(OfList):
        """The row under the cursor was chosen with the mouse."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.all: Sequence[Row] = ()
        self.rows: Sequence[Row] = ()
        self.at = 0
        self.words = ""
        self.places: list[int | None] = []
        self._top = 0

    def line(self, row: Row, here: bool, width: int) -> Line:
        """A row as a line; `here`: the cursor is on it."""
        raise NotImplementedError

    def key(self, row: Row) -> Hashable:
        """What a row is known by when the list is replaced: the cursor stays on it."""
        return id(row)

    def text(self, row: Row) -> str:
        """What the words of the filter are looked for in."""
        return str(row)

    def arranged(self, rows: list[Row]) -> list[Row]:
        """The rows in the order in which they are shown."""
        return rows

    def head(self, width: int) -> list[Line]:
        """Lines above the rows."""
        del width
        return []

    def foot(self, width: int) -> list[Line]:
        """Lines below the rows."""
        del width
        return []

    def empty(self, width: int) -> list[Line]:
        """Said where there is no row."""
        del width
        return []

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.at] if self.rows else None

    def show(self, rows: Sequence[Row], chosen: Hashable = None) -> None:
        """Replace the rows; the cursor goes to the one with the key `chosen`, else stays on its row."""
        self.all = rows
        self.rearrange(chosen)

    def filter(self, words: str) -> None:
        """Show only the rows that have all of the words."""
        self.words = words
        self.rearrange()

    def rearrange(self, chosen: Hashable = None) -> None:
        """Filter and sort again."""
        before = self.current
        was = None if before is None else self.key(before)
        wanted = self.words.casefold().split()
        rows = self.arranged(
            [row for row in self.all if all(word in self.text(row).casefold() for word in wanted)]
        )
        keys = [self.key(row) for row in rows]
        goal = was if chosen is None else chosen
        self.rows = rows
        self.at = keys.index(goal) if goal in keys else max(0, min(self.at, len(rows) - 1))
        self.redraw()
        if (self.key(rows[self.at]) if rows else None) != was:
            self.post_message(self.Moved(self))

    def move(self, by: int) -> None:
        """Move the cursor."""
        self.go_to((self.at + by) % len(self.rows) if self.WRAPS and self.rows else self.at + by)

    def go_to(self, at: int) -> None:
        """Put the cursor on a row, or on the nearest there is."""
        at = max(0, min(len(self.rows) - 1, at))
        if at != self.at:
            self.at = at
            self.redraw()
            self.post_message(self.Moved(self))

    def pointer(self, here: bool) -> Line:
        """The beginning of a row's line."""
        return Line(f"{self.glyphs.pointer} " if here else "  ", "accent")

    def window(self, room: int) -> Iterator[tuple[int, Row]]:
        """The rows that stand in so many lines, with their places; the cursor's among them."""
        if self.CENTERED:
            self._top = max(0, min(self.at - room // 2, len(self.rows) - room))
        self._top = max(0, min(self._top, self.at, len(self.rows) - room), self.at - room + 1)
        return enumerate(self.rows[self._top : self._top + room], self._top)

    def paint(self, width: int, height: int) -> list[Line]:
        self.places = []
        if not self.rows:
            return self.empty(width)
        head, foot = self.head(width), self.foot(width)
        room = max(1, height - len(head) - len(foot))
        shown = list(self.window(room))
        self.places = [None] * len(head) + [at for at, _ in shown]
        lines = head + [self.line(row, at == self.at, width) for at, row in shown]
        return lines + [Line()] * (room - len(shown)) + foot if foot else lines

    def chosen_by(self, event: Click, again: bool) -> bool:
        """Whether a click chooses the row, rather than only moving there; `again`: the cursor was there."""
        del again
        return event.chain == 2

    def on_click(self, event: Click) -> None:
        at = self.places[event.y] if 0 <= event.y < len(self.places) else None
        if at is not None:
            again = at == self.at
            self.go_to(at)
            if self.chosen_by(event, again):
                self.post_message(self.Chosen(self))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()


class FilterField(Field):
    """Filters the list of that kind on its screen, which has the focus before and after."""

    def __init__(self, narrows: type[CursorList[Any]], placeholder: str, id: str) -> None:  # noqa: A002
        super().__init__(placeholder=placeholder, id=id)
        self._narrows = narrows

    def on_mount(self) -> None:
        self.display = False

    def open(self) -> None:
        """Ask for words."""
        self.display = True
        self.focus()

    def clear(self) -> None:
        """All of the list again."""
        self.value = ""
        self.display = False
        self._list.focus()

    def on_input_changed(self) -> None:
        self._list.filter(self.value)

    def on_input_submitted(self) -> None:
        self.display = bool(self.value)
        self._list.focus()

    @property
    def _list(self) -> CursorList[Any]:
        return self.screen.query_one(self._narrows)
