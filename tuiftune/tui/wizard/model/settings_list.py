"""The settings of the method: what each is now, what the plan made of it, and who set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.wizard.settings import Setting, is_used, origin, resolved, settings_of, wanted, written

if TYPE_CHECKING:
    from textual.events import Click

    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft

INKS = {"yours": "accent", "preset": "second", "advised": "good", "auto": "second", "default": "faint"}


class SettingsList(Canvas):
    """A view of draft and plan with a cursor. Changing is the screen's: it gets `Stepped` and `Pointed`."""

    can_focus = True

    class Pointed(Message):
        """The cursor is on another setting."""

    class Stepped(Message):
        """A value was clicked: the next one is wanted."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="settings", classes=classes)
        self._draft: Draft | None = None
        self._plan: Plan | None = None
        self._settings: tuple[Setting, ...] = ()
        self._at = 0
        self._top = 0

    @property
    def current(self) -> Setting:
        return self._settings[self._at]

    def show(self, draft: Draft, plan: Plan | None) -> None:
        """`plan` is the last one made: what is `auto` keeps its value until the next is there."""
        self._draft, self._plan = draft, plan
        key = self.current.key if self._settings else ""
        self._settings = settings_of(draft)  # the technique's own options among them
        same = (at for at, setting in enumerate(self._settings) if setting.key == key)
        self._point(next(same, min(self._at, len(self._settings) - 1)))

    def move(self, by: int) -> None:
        self._point(max(0, min(len(self._settings) - 1, self._at + by)))
        self.post_message(self.Pointed())

    def _point(self, at: int) -> None:
        self._at = at
        self.entitle(f"method {at + 1}/{len(self._settings)}")  # the list is longer than its panel
        self.redraw()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._draft is None:
            return []
        self._top = max(0, min(self._top, self._at, len(self._settings) - height))
        if self._at >= self._top + height:
            self._top = self._at - height + 1
        lines = []
        for index, setting in enumerate(self._settings[self._top : self._top + height], self._top):
            here = index == self._at and self.has_focus
            asked = wanted(self._draft, setting)
            made = resolved(self._plan, setting.key)
            shown = written(made if asked == "auto" and made is not None else asked)
            if not is_used(self._plan, setting):
                shown = self.glyphs.missing
            who = origin(self._draft, setting) if asked != "auto" else "auto"
            line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent")
            line.add(setting.name.ljust(14), "strong" if here else "soft")
            left, right = ("‹", "›") if self.glyphs.braille else ("<", ">")
            room = width - line.width - 5 - len(who)
            shown = shown if len(shown) <= room else shown[: room - 1] + self.glyphs.more[:1]
            line.add(f"{left} " if here else "  ", "accent").add(shown, "strong").add(
                f" {right}" if here else "", "accent"
            )
            line.right(who, INKS[who], width)
            lines.append(line)
        return lines

    def on_click(self, event: Click) -> None:
        at = self._top + event.y
        if at < len(self._settings):
            again = at == self._at
            self._point(at)
            self.post_message(self.Stepped() if again else self.Pointed())
