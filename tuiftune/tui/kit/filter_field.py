"""Words that narrow a list down, in a field that is out of the way while there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

if TYPE_CHECKING:
    from typing import Any

    from tuiftune.tui.kit.cursor_list import CursorList


class FilterField(Input):
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
