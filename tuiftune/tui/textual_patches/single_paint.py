"""Screens that open in one paint, and a cheap way to dim the screen below a dialog.

Textual paints a new screen five times while its widgets mount, computes its styles three times, and blends
the colors below a modal screen cell by cell: 50 to 110 KB over a connection, and 60 to 230 ms.
"""

from __future__ import annotations

from asyncio import sleep
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual._context import visible_screen_stack
from textual.geometry import Region
from textual.reactive import Reactive
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.widgets import Tooltip
from textual.widgets._toast import ToastRack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual.color import Color
    from textual.events import ScreenResume
    from textual.geometry import Size
    from textual.widget import Widget


TEXTUAL = "8.2.8"
RELIES_ON = {
    "textual.widget:Widget._compose": "d47a31096467",
    "textual.screen:Screen._get_breakpoint_classes": "abf85cb313fb",
    "textual.screen:Screen._on_screen_resume": "ab5913e19488",
    "textual.screen:Screen._on_screen_suspend": "bbe120b52e2a",
    "textual.screen:Screen._screen_resized": "f19ffc78ee85",
    "textual.screen:Screen._on_timer_update": "b86659affd67",
    "textual.screen:Screen._refresh_layout": "b1700b8c1113",
    "textual.screen:Screen._compositor_refresh": "9ace864db78d",
    "textual.screen:ModalScreen": "edb3ecb2a6d6",
    "textual._compositor:Compositor.update_widgets": "5250392b2f48",
    "textual._compositor:Compositor.render_strips": "1b12d503abe1",
    "textual.renderables.background_screen:BackgroundScreen.process_segments": "d9132f1bf3bd",
}
OVER_ALL = (ToastRack, Tooltip)


class SinglePaintScreen(Screen[ScreenResultType]):
    """Nothing of it is painted until its widgets stand; what is asked for at a time is painted together."""

    # Textual's repaints all of the screen at each move of the focus; the two widgets do what there is to do.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    _rising = False
    _stands = False
    _holds = False
    _owes = False

    async def _compose(self) -> None:
        """With the classes for the terminal's size from the start, so that styles are worked out once."""
        self.update_classes(self._size_classes(), update=False)
        await super()._compose()

    def _size_classes(self) -> dict[str, bool]:
        held: dict[str, bool] = {}
        size = self.app.size
        for extent, bounds in (
            (size.width, self.app.HORIZONTAL_BREAKPOINTS or []),
            (size.height, self.app.VERTICAL_BREAKPOINTS or []),
        ):
            now = self._get_breakpoint_classes(extent, bounds)
            held |= {name: name in now for _, name in bounds}
        return held

    def _on_screen_resume(self, event: ScreenResume) -> None:
        """Before Textual's own: a screen that was never shown has the styles it was composed with."""
        if not self._stands:
            event.refresh_styles = False

    def _screen_resized(self, size: Size) -> None:
        """A new screen is told of the size that it was just laid out for."""
        if size != self._size:
            super()._screen_resized(size)

    def _on_timer_update(self) -> None:
        laid_out = self._layout_required or not self._stands
        self._holds = True
        try:
            super()._on_timer_update()
        finally:
            self._holds = False
        if laid_out and self.is_current:
            if not self._rising:
                self._rising = True
                self.call_later(self._settle)
        elif self._owes:
            self._compositor_refresh()

    async def _settle(self) -> None:
        """Wait for the widgets to process the new layout, which may change it once more."""
        await sleep(0)
        self.call_later(self._rise)

    def _rise(self) -> None:
        """What the new layout shows, all at once; all of the screen for the first time."""
        if self._layout_required:
            self._layout_required = False
            self._refresh_layout()
        self._dirty_widgets |= set() if self._stands else {self}
        self._rising, self._stands, self._repaint_required = False, True, False
        self._compositor.update_widgets(self._dirty_widgets)
        self._dirty_widgets.clear()
        self._compositor_refresh()

    def _on_screen_suspend(self) -> None:
        """What takes its place paints all of it."""
        self._repaint_required = False

    def _compositor_refresh(self) -> None:
        self._owes = self._holds
        if self._holds or self._rising or not self._stands:
            return
        if self is self.app.screen:
            super()._compositor_refresh()
            return
        regions = list(self._compositor._dirty_regions)
        self._compositor._dirty_regions.clear()
        self._dirty_widgets.clear()
        top = self.app.screen
        if isinstance(top, SinglePaintModal) and top._stands:
            top.refresh_around(regions)


class SinglePaintModal(ModalScreen[ScreenResultType], SinglePaintScreen[ScreenResultType]):
    """Over another screen, which stays to be seen, dimmed."""

    _beneath: list[Strip] | None = None

    def _compositor_refresh(self) -> None:
        self._beneath = None
        super()._compositor_refresh()

    def refresh_around(self, regions: Sequence[Region]) -> None:
        """Repaint what has changed below, where it is visible."""
        own = (child.region for child in self.displayed_children if not isinstance(child, OVER_ALL))
        box = next((region for region in own if region), Region())
        seen = [part for region in regions for part in around(region, box)]
        if seen:
            self.refresh(*seen)

    def render_line(self, y: int) -> Strip:
        if self._beneath is None:
            below = visible_screen_stack.get([])
            self._beneath = below.pop()._compositor.render_strips() if below else []
        if y >= len(self._beneath):
            return super().render_line(y)
        return dimmed(self._beneath[y], self.styles.background)


def around(region: Region, box: Region) -> list[Region]:
    """The parts of a region that a box leaves to be seen: above, below, at its left and at its right."""
    if not region.overlaps(box):
        return [region]
    left, right, top, bottom = region.x, region.right, region.y, region.bottom
    first, last = max(top, box.y), min(bottom, box.bottom)
    parts = (
        Region.from_corners(left, top, right, first),
        Region.from_corners(left, last, right, bottom),
        Region.from_corners(left, first, max(left, box.x), last),
        Region.from_corners(min(right, box.right), first, right, last),
    )
    return [part for part in parts if part]


def dimmed(strip: Strip, color: Color) -> Strip:
    """The strip with `color` blended over it."""
    return Strip([Segment(text, _blended(style, color)) for text, style, _ in strip], strip.cell_length)


@lru_cache(4096)
def _blended(style: Style | None, color: Color) -> Style | None:
    return next(iter(BackgroundScreen.process_segments([Segment(" ", style)], color))).style
