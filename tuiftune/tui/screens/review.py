"""Step 5: the preset as it will be saved, the command that runs it without the app, and the start."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Input, Label

from tuiftune.errors import UserError
from tuiftune.tui.keys import bindings
from tuiftune.tui.naming import suggested_name
from tuiftune.tui.screens.wizard import WizardStep
from tuiftune.tui.units import count, duration, money, size
from tuiftune.tui.widgets.command import CommandLine
from tuiftune.tui.widgets.yamlview import YamlView

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.directory import RunDir


class Summed(Message):
    def __init__(self, plan: Plan | None, error: str) -> None:
        super().__init__()
        self.plan, self.error = plan, error


class Doing(Message):
    """What is being done on the way to a run."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class Started(Message):
    """The engine runs; or why it does not."""

    def __init__(self, run: RunDir | None, error: str) -> None:
        super().__init__()
        self.run, self.error = run, error


class ReviewStep(WizardStep):
    KEY: ClassVar[str] = "review"
    SCOPES = ("wizard", "review")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("review"),
        ("down,j", "scroll(1)", "Down"),
        ("up,k", "scroll(-1)", "Up"),
        ("pagedown", "scroll(10)", "Page down"),
        ("pageup", "scroll(-10)", "Page up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._preset: Preset | None = None
        self._starting = False
        self._told = False  # something is said that a late summary must not cover

    def body(self) -> ComposeResult:
        with VerticalScroll(id="preset", classes="panel") as box:
            box.border_title = "the preset"
            box.can_focus = True
            yield YamlView()
        with Horizontal(classes="field"):
            yield Label(" Name    ")
            yield Input(self.draft.name, id="name", placeholder="of the run and of the preset", max_length=64)
        with Horizontal(classes="field"):
            yield Label(" Save as ")
            yield Input("", id="save-as")
            yield Button("Export", id="export", compact=True)
        yield CommandLine()
        with Horizontal(id="go"):
            yield Button("Start training", id="start", variant="primary", compact=True)
            yield Label("  or change any step: Esc goes back, nothing is lost", id="hint")

    def on_mount(self) -> None:
        if not self.draft.name:
            self.draft = self.draft.with_(name=suggested_name(self.draft))
            self.query_one("#name", Input).value = self.draft.name
        self.query_one("#save-as", Input).value = f"{self.draft.name}.yaml"
        self.query_one("#start").focus()
        self._show()
        self.run_worker(self._sum, thread=True, exit_on_error=False, group="sum")

    def _show(self) -> None:
        """Preset, command, or what is wrong with them."""
        from tuiftune.preset.file import dump

        try:
            self._preset = self.draft.preset()
        except UserError as error:
            self._preset = None
            self.say(str(error), "error")
            return
        path = self._path()
        self.query_one(YamlView).show(dump(self._preset, header=f"{self.draft.name}: {self._command(path)}"))
        self.query_one(CommandLine).show(self._command(path))

    def _path(self) -> str:
        return self.query_one("#save-as", Input).value.strip() or f"{self.draft.name}.yaml"

    def _command(self, path: str) -> str:
        return f"tuiftune train {shlex.quote(path)}"

    def _sum(self) -> None:
        try:
            plan = self.app.findings.plan(self.draft)
        except UserError as error:
            self.post_message(Summed(None, str(error)))
        else:
            self.post_message(Summed(plan, ""))

    @on(Summed)
    def _summed(self, message: Summed) -> None:
        plan = message.plan
        if self._told:
            return
        if plan is None:
            self.say(message.error, "error")
            return
        parts = [f"{count(plan.steps)} steps", f"about {duration(plan.seconds)}"]
        parts.append(f"{size(plan.memory.needs)} of memory")
        if plan.usd is not None:
            parts.append(f"about {money(plan.usd)}")
        words = ", ".join(parts)
        self.say(words if plan.fits else f"does not fit here: {words}", "ok" if plan.fits else "error")

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
    def _saved_as(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _entered(self, message: Input.Submitted) -> None:
        if message.input.id == "save-as":
            self.action_export()
        else:
            self.query_one("#start").focus()

    @on(Button.Pressed, "#export")
    def _export_pressed(self) -> None:
        self.action_export()

    @on(Button.Pressed, "#start")
    def _start_pressed(self) -> None:
        self.action_start()

    def _tell_user(self, text: str, severity: str) -> None:
        self._told = True
        self.say(text, severity)

    def action_export(self) -> None:
        """Write the preset to the path given."""
        if self._preset is None:
            return
        path = Path(self._path()).expanduser()
        if path.exists():
            from tuiftune.tui.screens.dialog import Confirm

            self.app.push_screen(
                Confirm(
                    f"Write over {path}?", "There is a file of this name already.", "Write over", harmful=True
                ),
                partial(self._write, path),
            )
        else:
            self._write(path, True)

    def _write(self, path: Path, confirmed: bool | None) -> None:
        from tuiftune.preset.file import save

        if not confirmed or self._preset is None:
            return
        try:
            save(self._preset, path)
        except UserError as error:
            self._tell_user(str(error), "error")
        else:
            self._tell_user(f"saved as {path}", "ok")

    def action_copy(self) -> None:
        from tuiftune.tui.clipboard import copy

        self.notify(copy(self._command(self._path()), self.app.copy_to_clipboard), markup=False)

    def action_start(self) -> None:
        if self._starting or self._preset is None:
            return
        self._starting = True
        self.query_one("#start", Button).label = "Starting …"
        self.run_worker(
            partial(self._prepare, self._preset),
            thread=True,
            exit_on_error=False,
            group="start",
            exclusive=True,
        )

    def _prepare(self, preset: Preset) -> None:
        from tuiftune.runs.launch import launch
        from tuiftune.runs.prepare import prepare

        try:
            run = prepare(preset, self.app.runs_root, say=self._tell)
            launch(run)
        except UserError as error:
            self.post_message(Started(None, str(error)))
        else:
            self.post_message(Started(run, ""))

    def _tell(self, what: str) -> None:
        self.post_message(Doing(what))

    @on(Doing)
    def _doing(self, message: Doing) -> None:
        self._tell_user(f"{message.what} …", "info")

    @on(Started)
    def _started(self, message: Started) -> None:
        self._starting = False
        self.query_one("#start", Button).label = "Start training"
        if message.run is None:
            self._tell_user(message.error, "error")
            return
        self.app.leave_wizard(message.run)

    def action_forward(self) -> None:
        self.action_start()

    def action_scroll(self, by: int) -> None:
        self.query_one("#preset").scroll_relative(y=by, animate=False)
