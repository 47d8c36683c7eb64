"""The list that every list of the app is made from: cursor, window, filter, mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import on
from textual.app import App

from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList

if TYPE_CHECKING:
    from textual.app import ComposeResult

WORDS = [f"{letter}{number}" for letter in "abc" for number in range(10)]


class Words(CursorList[str]):
    DEFAULT_CSS = "Words { height: 8; }"

    def key(self, row: str) -> str:
        return row

    def head(self, width: int) -> list[Line]:
        return [Line("head")]

    def foot(self, width: int) -> list[Line]:
        return [Line(f"at {self.current}")]

    def empty(self, width: int) -> list[Line]:
        return [Line("none")]

    def line(self, row: str, here: bool, width: int) -> Line:
        return self.pointer(here).add(row)


class Round(Words):
    WRAPS = True
    CENTERED = True


class Shows(App[None]):
    def __init__(self, kind: type[Words]) -> None:
        super().__init__()
        self.listed = kind(id="words")
        self.told: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.listed

    @on(CursorList.Moved, "#words")
    def _moved(self) -> None:
        self.told.append(f"at {self.listed.current}")

    @on(CursorList.Chosen, "#words")
    def _chosen(self) -> None:
        self.told.append(f"chose {self.listed.current}")

    def lines(self) -> list[str]:
        return [line.text for line in self.listed.paint(20, 8)]


async def test_the_cursor_stays_in_the_window_and_on_its_row() -> None:
    app = Shows(Words)
    async with app.run_test() as pilot:
        app.listed.show(WORDS)
        assert app.lines() == ["head", "▸ a0", "  a1", "  a2", "  a3", "  a4", "  a5", "at a0"]
        app.listed.move(7)
        assert app.lines()[1:] == ["  a2", "  a3", "  a4", "  a5", "  a6", "▸ a7", "at a7"]
        app.listed.move(-1)
        assert app.lines()[1:] == ["  a2", "  a3", "  a4", "  a5", "▸ a6", "  a7", "at a6"], "no scrolling"
        app.listed.show(["new", *WORDS])
        assert app.listed.current == "a6", "on its row where the list is replaced"
        app.listed.show(WORDS, "c9")
        app.listed.move(99)
        assert app.lines()[5:] == ["  c8", "▸ c9", "at c9"]
        await pilot.pause()
        assert len(app.told) == 4, "nothing is told where it stays"


async def test_words_leave_the_rows_that_have_all_of_them() -> None:
    app = Shows(Words)
    async with app.run_test() as pilot:
        app.listed.show(WORDS, "b3")
        app.listed.filter("B")
        assert app.listed.current == "b3"
        assert len(app.listed.rows) == 10
        app.listed.filter("c 4")
        assert app.lines() == ["head", "▸ c4", "", "", "", "", "", "at c4"]
        app.listed.filter("z")
        assert (app.lines(), app.listed.current) == (["none"], None)
        app.listed.filter("")
        assert len(app.listed.rows) == len(app.listed.all) == 30
        await pilot.pause()
        assert len(app.told) == 4


async def test_beyond_the_last_comes_the_first_and_the_cursor_is_in_the_middle() -> None:
    app = Shows(Round)
    async with app.run_test():
        app.listed.show(WORDS)
        app.listed.move(-1)
        assert app.listed.current == "c9"
        app.listed.move(1)
        assert app.listed.current == "a0"
        app.listed.move(10)
        assert app.lines()[1:7] == ["  a7", "  a8", "  a9", "▸ b0", "  b1", "  b2"]


@pytest.mark.parametrize(("y", "row"), [(0, "a0"), (1, "a0"), (3, "a2"), (7, "a0")])
async def test_a_click_goes_to_its_row_and_a_second_one_chooses_it(y: int, row: str) -> None:
    app = Shows(Words)
    async with app.run_test() as pilot:
        app.listed.show(WORDS)
        await pilot.click("#words", offset=(2, y), times=2)
        assert app.listed.current == row
        on_a_row = 1 <= y <= 6
        assert app.told[1:] == [f"at {row}"] * (row != "a0") + [f"chose {row}"] * on_a_row
        app.listed.on_mouse_scroll_down(_Event())  # type: ignore[arg-type]
        assert app.listed.current == f"a{int(row[1]) + 1}"


class _Event:
    def stop(self) -> None:
        """Nothing above it scrolls."""
