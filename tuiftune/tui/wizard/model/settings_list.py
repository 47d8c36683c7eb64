"""The list of settings: the value of each, resolved by the plan, and who set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.wizard.settings import Setting, is_used, origin, resolved, settings_of, wanted, written

if TYPE_CHECKING:
    from textual.events import Click

    from tuiftune.plan.model import Plan
    from tuiftune.tui.kit.canvas import Line
    from tuiftune.wizard.draft import Draft

INKS = {"yours": "accent", "preset": "second", "recommended": "good", "auto": "second", "default": "faint"}
ROOMY = 48  # cells from which "recommended" is written in full


class SettingsList(CursorList[Setting]):
    """A view of draft and plan with a cursor. A click on the selected setting changes it."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="settings", classes=classes)
        self._draft: Draft | None = None
        self._plan: Plan | None = None

    @property
    def setting(self) -> Setting:
        """The one under the cursor."""
        return self.rows[self.at]

    def judge(self, draft: Draft, plan: Plan | None) -> None:
        """Show a draft. `plan` is the most recent one: `auto` settings keep its values until the next."""
        self._draft, self._plan = draft, plan
        self.show(settings_of(draft))  # the technique's own options among them
        self._title()

    def key(self, row: Setting) -> str:
        return row.key

    def go_to(self, at: int) -> None:
        super().go_to(at)
        self._title()

    def _title(self) -> None:
        self.entitle(f"method {self.at + 1}/{len(self.rows)}")  # the list is longer than its panel

    def line(self, row: Setting, here: bool, width: int) -> Line:
        assert self._draft is not None
        here = here and self.has_focus
        asked = wanted(self._draft, row)
        made = resolved(self._plan, row.key)
        shown = written(made if asked == "auto" and made is not None else asked)
        if not is_used(self._plan, row):
            shown = self.glyphs.missing
        whose = origin(self._draft, row) if asked != "auto" else "auto"
        who = "rec." if whose == "recommended" and width < ROOMY else whose
        line = self.pointer(here).add(row.name.ljust(14), "strong" if here else "soft")
        room = width - line.width - 5 - len(who)
        shown = shown if len(shown) <= room else shown[: room - 1] + self.glyphs.more[:1]
        return line.choice(self.glyphs, shown, here).right(who, INKS[whose], width)

    def chosen_by(self, event: Click, again: bool) -> bool:
        del event
        return again
