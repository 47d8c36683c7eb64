"""Moving between the panels of the dashboard, and enlarging one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen

if TYPE_CHECKING:
    from textual.widget import Widget

PANELS = ("chart", "numbers", "machine", "scores", "log", "health", "time", "room", "saves", "latest")
ROWS = ("upper", "aside", "lower", "bottom", "more")  # boxes that hold panels


class ShowsPanels:
    """Mixin for a screen whose box `panels` holds PANELS in ROWS. An enlarged panel hides the others."""

    def rearranged(self) -> None:
        """Handle a change of the visible panels."""

    @property
    def zoomed(self) -> bool:
        return self._one("#panels").has_class("-zoomed")

    @property
    def focused_panel(self) -> str | None:
        return next((name for name in PANELS if self._one(f"#{name}").has_focus), None)

    def action_next_panel(self) -> None:
        self._go_to_panel(1)

    def action_previous_panel(self) -> None:
        self._go_to_panel(-1)

    def _go_to_panel(self, by: int) -> None:
        there = [name for name in PANELS if self.zoomed or self._on_screen(name)]
        at = next((i for i, name in enumerate(there) if self._one(f"#{name}").has_focus), -1 if by > 0 else 0)
        self.action_panel(there[(at + by) % len(there)])

    def _on_screen(self, name: str) -> bool:
        return self._one(f"#{name}").region.height > 0

    def action_panel(self, name: str) -> None:
        """Go to a panel; enlarge it if it does not fit next to the others in this terminal."""
        if self.zoomed or not self._on_screen(name):
            self._zoom(name)
        self._one(f"#{name}").focus()

    def action_zoom(self) -> None:
        if self.zoomed:
            self._zoom("")
            return
        focused = self.focused_panel or PANELS[0]
        self._zoom(focused)
        self._one(f"#{focused}").focus()

    def _zoom(self, name: str) -> None:
        self._one("#panels").set_class(bool(name), "-zoomed")
        for panel in PANELS:
            self._one(f"#{panel}").set_class(panel == name, "-full")
        for row in ROWS:
            box = self._one(f"#{row}")
            box.set_class(bool(box.query(".panel.-full")), "-full")
        self.rearranged()

    def _one(self, selector: str) -> Widget:
        assert isinstance(self, Screen)
        return self.query_one(selector)
