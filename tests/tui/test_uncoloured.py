"""NO_COLOR where colors are few: nothing is black on black, and what colors told is told by attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.style import Style
from showing import SMALL, Log, until
from textual.color import Color

from tuiftune.tui.textual_patches.no_color import attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.segment import Segment

    from tuiftune.tui.app import TuneApp

BLACK = Color(18, 20, 28)


def painted(app: TuneApp) -> list[Segment]:
    """The segments of the screen as they are sent."""
    found: list[Segment] = []
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in app.get_line_filters():
            segments = line_filter.apply(segments, app.screen.background_colors[1])
        found += segments
    return found


@pytest.mark.parametrize("term", ["screen", "linux", "xterm", "vt220", "xterm-256color"])
@pytest.mark.parametrize("theme", ["", "ansi-dark", "ansi-light"])
async def test_without_colors_what_has_the_focus_is_seen(
    app: Callable[..., TuneApp],
    finished: Log,
    monkeypatch: pytest.MonkeyPatch,
    term: str,
    theme: str,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("COLORTERM", raising=False)
    shown = app(run=finished.run)
    async with shown.run_test(size=SMALL) as pilot:
        if theme:
            shown.theme = theme
        await pilot.press("tab")
        await until(pilot, lambda: bool(shown.screen.focused))
        await pilot.pause()
        segments = [one for one in painted(shown) if one.text.strip() and one.style]
        assert segments
        title = str(shown.screen.focused.border_title)
        assert any(one.style.reverse and title.split()[0] in one.text for one in segments), (
            "the focus is seen"
        )
        if theme or term != "xterm-256color":
            told = {(one.style.color, one.style.bgcolor) for one in segments}
            assert all(color is None or color.is_default for pair in told for color in pair), told


@pytest.mark.parametrize(
    ("style", "stands_out"),
    [
        ("bold blue", False),
        ("white on default", False),
        ("white on blue", True),
        ("black on bright_white", True),
        ("#000000 on #7aa2f7", True),
        ("#d5d9e6 on #1a1d29", False),  # a panel's background tells nothing
    ],
)
def test_what_stands_on_a_background_of_its_own_is_reversed(style: str, stands_out: bool) -> None:
    plain = attributes(Style.parse(style), BLACK)
    assert plain is not None
    assert bool(plain.reverse) == stands_out
    assert plain.bold == Style.parse(style).bold
    assert plain.color is not None
    assert plain.color.is_default
