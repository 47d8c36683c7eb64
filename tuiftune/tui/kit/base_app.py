"""The app as its screens see it: the draft, the cache of findings, and navigation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuiftune import terminal
from tuiftune.tui.kit.glyphs import choose
from tuiftune.tui.textual_patches.changed_cells import SendsChangedCells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.screen import Screen

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings


class BaseApp(SendsChangedCells):
    """Holds the one draft; everything else is read from disk or from an event log."""

    def __init__(self, *, draft: Draft | None = None, runs_root: Path | None = None) -> None:
        super().__init__()
        self.glyphs = choose()
        self.draw_seconds = terminal.draw_seconds()
        self.runs_root = runs_root
        self._draft = draft
        self._alone = False

    def screen_named(self, name: str, *args: Any, **options: Any) -> Screen[Any]:
        """A new screen of the navigation table."""
        raise NotImplementedError

    def open(self, name: str, *args: Any, then: Callable[[Any], None] | None = None, **options: Any) -> None:
        """Put a screen of the navigation table on top; `then` gets what it is dismissed with."""
        self.push_screen(self.screen_named(name, *args, **options), then)

    def open_run(self, run: RunDir) -> None:
        """Show a run's dashboard; it shows the result itself when the run is over."""
        self.open("dashboard", run)

    def open_chat(self, run: RunDir) -> None:
        """Chat with a finished run next to its base model; why not is told."""
        from tuiftune.chat.conversation import Conversation, Settings
        from tuiftune.chat.record import Record
        from tuiftune.chat.source import of_run
        from tuiftune.errors import UserError

        try:
            tuned = of_run(run)
        except UserError as fault:
            self.notify(str(fault), severity="warning", markup=False)
            return
        sources = [tuned, tuned.base]
        self.open("chat", sources, Settings(), Conversation(tuned.system or ""), Record.of(sources))

    def open_wizard(self, draft: Draft | None = None) -> None:
        """Open the wizard with the present or a given draft."""
        if draft is not None:
            self.draft = draft
        self.open("machine")

    def leave_wizard(self, run: RunDir) -> None:
        """Replace the wizard by the dashboard of the run that was started, and discard the draft."""
        self._draft, self._alone = None, False
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.open_run(run)

    def show_tour(self) -> None:
        """Start the tour."""
        raise NotImplementedError

    @property
    def draft(self) -> Draft:
        """The draft that the wizard edits: immutable, replaced as a whole."""
        if self._draft is None:
            from tuiftune.wizard.draft import Draft

            self._draft = Draft()
        return self._draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self._draft = draft

    @cached_property
    def findings(self) -> Findings:
        """The cache of what was found for the draft."""
        from tuiftune.wizard.findings import Findings

        return Findings(self.runs_root)
