"""Ways to start a run: the wizard, a built-in preset, the demo, or another run's preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.errors import UserError
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


@dataclass
class Began(Message):
    """A run was started."""

    run: RunDir


class StartsRuns(FullScreen[None]):
    """A screen that starts runs. `failed` reports an error; threads may call it."""

    @property
    def run_to_clone(self) -> RunDir | None:
        """The run whose preset is copied."""
        raise NotImplementedError

    def failed(self, words: str) -> None:
        raise NotImplementedError

    def on_began(self, message: Began) -> None:
        self.app.open_run(message.run)

    def action_new(self) -> None:
        self.app.open_wizard()

    def action_preset(self) -> None:
        from tuiftune.tui.home.preset_picker import Presets

        self.app.push_screen(Presets(), self._with_preset)

    def _with_preset(self, name: str | None) -> None:
        if name is None:
            return
        from tuiftune.preset import file, shipped
        from tuiftune.wizard.draft import Draft

        try:
            self.app.open_wizard(Draft.of(file.load(shipped.find(name))))
        except UserError as error:
            self.failed(str(error))

    def action_demo(self) -> None:
        self.notify("Planning and starting the demo …", timeout=4)
        self.in_thread("demo", self._demo, exclusive=True)

    def _demo(self) -> None:
        from tuiftune.jobs.backend import train
        from tuiftune.jobs.prepare import prepare
        from tuiftune.preset import file, shipped

        try:
            run = prepare(file.load(shipped.find("demo")), self.app.runs_root)
            train(run)
        except UserError as error:
            self.failed(str(error))
        else:
            self.post_message(Began(run))

    def action_clone(self) -> None:
        """Open the wizard with the run's preset, under a new name."""
        from tuiftune.runs.store.directory import default_root
        from tuiftune.wizard.draft import clone

        run = self.run_to_clone
        if run is None:
            return
        try:
            draft = clone(run, self.app.runs_root or default_root())
        except UserError as error:
            self.failed(str(error))
            return
        self.app.open_wizard(draft)
        self.notify(
            f"New run {draft.name} with the preset of {run.name}. Change what you like.", markup=False
        )
