"""The screen for format and columns: what was detected, another format or mapping, and a preview of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from tuiftune.data.detect.formats import FORMATS, NEEDED, ROLES_OF
from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import MAPPING
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.mapping_view import Choice, MappingView
from tuiftune.tui.wizard.data.sample_rows import SampleRows
from tuiftune.wizard.findings import trainable
from tuiftune.wizard.proposals import wants_labels

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.detect.mapping import Beginning, Trial
    from tuiftune.wizard.draft import Draft

AUTO = "auto"


@dataclass
class Begun(Message):
    """The first rows, or why there are none."""

    first: Beginning | None
    error: str = ""


class ColumnMapping(FullScreen["tuple[str, dict[str, str]] | None"]):
    """The screen. Dismissed with a valid format and columns (role → column, "" for none), or None."""

    SCOPES = (MAPPING,)
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._format, self._columns = draft.format, dict(draft.columns)
        self._first: Beginning | None = None
        self._guess: Trial | None = None
        self._trial: Trial | None = None
        self._at = 0  # the format, then the roles

    def compose(self) -> ComposeResult:
        yield TitleBar("Format and columns")
        yield MappingView()
        yield SampleRows(classes="panel")
        yield KeyBar(MAPPING)

    def on_mount(self) -> None:
        self.query_one("#samples").border_title = "first rows as they will be read"
        self.in_thread("map", self._begin, self._draft.data)

    def _begin(self, sources: tuple[str, ...]) -> None:
        from tuiftune.data.detect.mapping import beginning

        try:
            self.post_message(Begun(beginning(sources[0] if len(sources) == 1 else list(sources))))
        except UserError as error:
            self.post_message(Begun(None, str(error)))

    @on(Begun)
    def _begun(self, message: Begun) -> None:
        from tuiftune.data.detect.detect_format import role_in
        from tuiftune.data.detect.mapping import probable, proposed, tried

        self._first = message.first
        if self._first is None:
            self.query_one(MappingView).tell(message.error)
            return
        if self._first.files > 1:
            more = f"{self._first.path.name}, the first of {self._first.files:,} files"
            self.query_one(TitleBar).say(right=more)
        self._guess = tried(self._first, system=self._draft.system)
        self._try()
        if self._trial is not None and self._trial.undetected:
            self._format = probable(self._first, labels=wants_labels(self._draft))
            self._columns = self._columns or proposed(self._first, self._format)
            self._try()
            roles = self._roles()  # a number key is then enough
            missing = (
                at for at, role in enumerate(roles, 1) if role in NEEDED[self._format] and not roles[role]
            )
            self._at = next(missing, 0)
        found = self._trial.dataset if self._trial else None
        if self._columns and found is not None:  # the preset may use other names for the roles
            self._format = found.format
            self._columns = {role_in(found.format, role): name for role, name in self._columns.items()}
        self._show()

    def _try(self) -> None:
        from tuiftune.data.detect.mapping import tried

        if self._first is not None:
            self._trial = tried(self._first, self._format, self._columns, self._draft.system)

    @property
    def _kind(self) -> str:
        """The format in effect; "" if it cannot be detected."""
        if self._format != AUTO:
            return self._format
        return self._trial.dataset.format if self._trial and self._trial.dataset else ""

    def _roles(self) -> dict[str, str]:
        """Return each role of the format in effect with its column, or "" for none."""
        from tuiftune.data.detect.detect_format import roles_as

        kind = self._kind
        if not kind or self._first is None:
            return {}
        if self._trial is not None and self._trial.dataset is not None:
            found = self._trial.dataset.columns
        else:
            try:
                found = roles_as(kind, self._first.rows, self._columns)
            except UserError:
                found = {}
        return {role: found.get(role, "") for role in ROLES_OF[kind]}

    def _fault(self) -> tuple[str, str]:
        """Return why this mapping does not work or cannot be trained on, with its severity."""
        if self._trial is None:
            return "", ""
        if not self._kind and self._trial.undetected:
            return f"{self._trial.fault}: choose one with the arrow keys", "error"
        roles = self._roles()
        if missing := [role for role in NEEDED.get(self._kind, ()) if not roles.get(role)]:
            named = " and of ".join(missing)
            return f"Choose the column of {named}: select the role, then press the column's number.", "error"
        if self._trial.fault or self._trial.dataset is None:
            return self._trial.fault, "error"
        try:
            trainable(self._trial.dataset)
        except UserError as error:
            return str(error), "warning"
        return "", ""

    def _show(self) -> None:
        if self._first is None or self._trial is None:
            return
        roles = self._roles()
        self._at = min(self._at, len(roles))
        kind = self._kind
        choices = [Choice("format", self._format if self._format != AUTO else f"auto: {kind or '?'}", "")]
        for role, column in roles.items():
            choices.append(Choice(role, column, "required" if role in NEEDED[kind] else ""))
        guess = self._guess.dataset.recognition if self._guess and self._guess.dataset else None
        view = self.query_one(MappingView)
        view.show(self._first.columns, guess, choices, self._at, self._fault())
        self.query_one(SampleRows).show(list(self._trial.examples))

    def _put(self, role: str, column: str) -> None:
        """Set the column of one role, and fix the format."""
        self._format = self._kind
        self._columns[role] = column
        self._try()
        self._show()

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self._roles()), self._at + by))
        self._show()

    def action_change(self, by: int) -> None:
        """Use another format, or another column (or none) for the selected role."""
        if self._first is None:
            return
        if self._at == 0:
            formats = (AUTO, *FORMATS)
            self._format = formats[(formats.index(self._format) + by) % len(formats)]
            kept = ROLES_OF.get(self._format, ())
            self._columns = {role: name for role, name in self._columns.items() if role in kept}
            self._try()
            self._show()
            return
        role, column = list(self._roles().items())[self._at - 1]
        names = ["", *(found.name for found in self._first.columns)]
        at = names.index(column) if column in names else 0
        self._put(role, names[(at + by) % len(names)])

    def action_choose(self, number: int) -> None:
        """Use the column with this number for the selected role (0: none), then select the next role."""
        if self._first is None or number > len(self._first.columns):
            return
        roles = list(self._roles())
        if self._at == 0:
            self.notify("Select a role first (↓).", timeout=3)
            return
        self._put(roles[self._at - 1], self._first.columns[number - 1].name if number else "")
        if number:
            self.action_move(1)

    def action_guess(self) -> None:
        """Reset to what was detected."""
        self._format, self._columns, self._at = AUTO, {}, 0
        self._try()
        self._show()

    def action_rows(self, by: int) -> None:
        self.query_one(SampleRows).move(by)

    def action_take(self) -> None:
        """Use format and columns if rows can be read with them."""
        if self._trial is None:
            return
        if self._trial.fault:
            self.notify(self._fault()[0], severity="warning", timeout=5, markup=False)
            return
        self.dismiss((self._format, self._columns))
