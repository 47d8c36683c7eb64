"""Step 1: the hardware of this machine, and the models that it can train. Nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.tui.wizard.machine_view import MachineView
from tuiftune.tui.wizard.step_screen import WizardStep

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.advice.suggest import Suggestion
    from tuiftune.hardware.machine import Machine

READ_SECONDS = 1.0  # NVML does not update its readings more often


@dataclass
class Found(Message):
    machine: Machine

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Found)


@dataclass
class Suggested(Message):
    """The models that fit here, the recommended one first."""

    suggested: list[Suggestion]


class MachineStep(WizardStep):
    KEY: ClassVar[str] = "machine"
    SCOPES = ("wizard", "machine")
    EXPLAINED = True

    def body(self) -> ComposeResult:
        yield MachineView(classes="panel")

    def on_mount(self) -> None:
        self.query_one(MachineView).focus()
        self.in_thread("machine", self._watch)

    def _watch(self) -> None:
        """Detect the machine once, then read only the GPUs, once a second while this step is shown."""
        import threading
        from dataclasses import replace

        from tuiftune.hardware.nvml import read_gpus

        worker = get_current_worker()
        machine = self.app.findings.machine()
        self.post_message(Found(machine))
        from tuiftune.advice.suggest import suggest

        self.post_message(Suggested(suggest(machine, self.draft.answers)))
        wait = threading.Event()
        while machine.gpus and not worker.is_cancelled:
            wait.wait(READ_SECONDS)
            if self.app.screen is self:
                by_name = {gpu.uuid: gpu for gpu in read_gpus().gpus}
                gpus = tuple(by_name.get(gpu.uuid, gpu) for gpu in machine.gpus)
                self.post_message(Found(replace(machine, gpus=gpus)))

    @on(Found)
    def _found(self, message: Found) -> None:
        self.query_one(MachineView).show(message.machine)

    @on(Suggested)
    def _suggested(self, message: Suggested) -> None:
        self.query_one(MachineView).suggest(message.suggested)
