"""The review's preset: as it will be saved, its name and file, and the command that runs it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Button, Input

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.tui.wizard.review_views import CommandLine, YamlView
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard import proposals

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.preset.schema import Preset


class SavesPreset(WizardStep):
    """Shows the preset, writes it, and copies its command."""

    def __init__(self) -> None:
        super().__init__()
        self._preset: Preset | None = None
        self._restarts = False
        self._notes: dict[str, str] = {}
        self._on = ""

    def _show(self) -> None:
        """Show the preset and its command, or what is wrong with the preset."""
        try:
            self._preset = self.draft.preset()
        except UserError as error:
            self._preset = None
            self.say(str(error), "error")
            return
        path = self._path()
        self.query_one(YamlView).show(self._text())
        self.query_one(CommandLine).show(self._command(path), self._is_saved())

    def _path(self) -> str:
        return self.query_one("#save-as", Input).value.strip() or f"{self.draft.name}.yaml"

    def _command(self, path: str) -> str:
        return self._kept(proposals.train_command(path, self.app.runs_root, self._on))

    def _kept(self, command: str) -> str:
        return f"{command} --keep-alive" if self._restarts and not self._on else command

    def _text(self, noted: bool = True) -> str:
        """Return the content of the preset file, with or without the notes on its values."""
        from tuiftune.preset.file import dump_for

        assert self._preset is not None
        try:
            path = paths.given(self._path())
        except UserError:  # told when it is to be written
            path = Path(f"{self._preset.name}.yaml")
        return dump_for(self._preset, path, notes=self._notes if noted else {})

    def _is_saved(self) -> bool:
        """Return True if the file at the given path is this preset, so that the command works."""
        try:
            there = documents.read_text(paths.given(self._path()))
        except UserError:
            return False
        # Saved before the plan was ready, the file has no notes yet: the preset is the same.
        return self._preset is not None and there in {self._text(), self._text(noted=False)}

    @on(Input.Changed, "#name")
    def _named(self, message: Input.Changed) -> None:
        old = f"{self.draft.name}.yaml"
        field = self.query_one("#save-as", Input)
        follows = field.value in {old, ""}
        self.draft = self.draft.with_(name=message.value.strip())
        if follows and self.draft.name:
            field.value = f"{self.draft.name}.yaml"
        self._show()

    @on(Input.Changed, "#save-as")
    def _saved_as(self, message: Input.Changed) -> None:
        own = message.value.strip() not in {"", f"{self.draft.name}.yaml"}
        self.draft = self.draft.with_(save_as=message.value.strip() if own else "")
        self._show()

    @on(Button.Pressed, "#save")
    def _save_pressed(self) -> None:
        self.action_save()

    def _tell_user(self, text: str, severity: str) -> None:
        self.say(text, severity)

    def action_save(self) -> None:
        """Write the preset to the given path."""
        self._save(lambda path: self._tell_user(f"Saved as {path}.", "ok"))

    def _save(self, then: Callable[[Path], None]) -> None:
        if self._preset is None:
            return
        try:
            path = paths.given(self._path())
        except UserError as error:
            self._tell_user(str(error), "error")
            return
        if paths.exists(path):
            from tuiftune.tui.kit.dialogs import Confirm

            self.app.push_screen(
                Confirm(f"Overwrite {path}?", "A file with this name exists.", "Overwrite", harmful=True),
                partial(self._write, path, then),
            )
        else:
            self._write(path, then, True)

    def _write(self, path: Path, then: Callable[[Path], None], confirmed: bool | None) -> None:
        from tuiftune.preset.file import save

        if not confirmed or self._preset is None:
            return
        try:
            save(self._preset, path, notes=self._notes)
        except UserError as error:
            self._tell_user(str(error), "error")
        else:
            self._show()
            then(path)

    def action_copy(self) -> None:
        """Save the preset, then copy the command that runs it from any directory."""
        if self._preset is None:
            return
        if self._is_saved():
            self._copy(Path(self._path()))
        else:
            self._save(self._copy)

    def _copy(self, path: Path) -> None:
        from tuiftune.tui.kit.clipboard import copy

        command = proposals.train_command_from_anywhere(self._path(), self.app.runs_root, self._on)
        command = self._kept(command)
        self._tell_user(f"Saved as {path}, and copied the command that runs it from any directory.", "ok")
        self.notify(copy(command, self.app.copy_to_clipboard), markup=False)
