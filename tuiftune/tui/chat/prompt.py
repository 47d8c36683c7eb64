"""The prompt as it is typed: several lines, pasted or by a key, sent by Enter."""

from __future__ import annotations

from textual.widgets import TextArea


class Prompt(TextArea):
    """As tall as its text, up to the style's limit. Up on an empty prompt is left to the screen."""

    def __init__(self) -> None:
        super().__init__(
            id="prompt",
            placeholder="Your prompt",
            compact=False,
            show_line_numbers=False,
            tab_behavior="focus",
        )
        self.cursor_blink = False
        self.highlight_cursor_line = False

    async def action_cursor_up(self, select: bool = False) -> None:  # type: ignore[override]
        """Move up, or edit the last prompt where there is nothing to move in."""
        if self.text or select:
            super().action_cursor_up(select)
        else:
            await self.screen.run_action("edit")

    def put(self, text: str) -> None:
        """Replace the text, with the cursor behind it."""
        self.text = text
        self.move_cursor(self.document.end)
