"""The command palette: every action of the key table that works on the screen below it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import CommandPalette, DiscoveryHit, Hit, Provider

from tuiftune.tui.keys.actions import actions, works_on
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.textual_patches.single_paint import SinglePaintModal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from textual.command import Hits


class Palette(CommandPalette, SinglePaintModal[None]):
    """Textual's palette, opened and dimmed like the other dialogs."""


class ActionCommands(Provider):
    """Provides the actions of the screen's scopes, by label and description."""

    def _offers(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        scopes = getattr(self.screen, "SCOPES", ())
        for action in actions(*scopes, APP):
            if not action.label or action.name == "command_palette":
                continue
            if not works_on(self.screen, action):
                continue
            target = self.app if action.scope == APP else self.screen
            key = f"  ({action.shown})" if action.shown else ""
            yield f"{action.label}{key}", action.says, partial(target.run_action, action.name)

    async def discover(self) -> Hits:
        for title, says, command in self._offers():
            yield DiscoveryHit(title, command, help=says)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, says, command in self._offers():
            score = max(matcher.match(title), matcher.match(says))
            if score > 0:
                yield Hit(score, matcher.highlight(title), command, help=says)
