"""What is sent to the terminal: the cells that changed, and not what stands to their left in the same widget.

Textual cuts a span off at its end only: one new point at the right edge of a chart would send its whole line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.control import Control
from textual._compositor import ChopsUpdate
from textual.app import App

if TYPE_CHECKING:
    from typing import Any

    from rich.console import Console, RenderableType
    from textual.screen import Screen


TEXTUAL = "8.2.8"
RELIES_ON = {
    "textual.app:App._display": "3b27d0cafc7a",
    "textual._compositor:ChopsUpdate": "7873db034489",
}


class SendsChangedCells(App[str]):
    """An app that sends no more of a widget's line than what changed in it."""

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = ChangedCells(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)


class ChangedCells(ChopsUpdate):
    """Textual's update of spans, each cut at both of its ends."""

    def render_segments(self, console: Console) -> str:
        sent: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(x, x1), min(end, x2)
                if strip is None or first >= last:
                    continue
                whole = first == x and last == end
                sent.append(Control.move_to(first, y).segment.text)
                sent.append((strip if whole else strip.crop(first - x, last - x)).render(console))
        return "".join(sent)
