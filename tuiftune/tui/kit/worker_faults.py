"""What a thread's unexpected fault looks like: it is told, instead of a screen that waits for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.worker import WorkerState

from tuiftune.printable import printable

if TYPE_CHECKING:
    from textual.app import App
    from textual.worker import Worker


class TellsFaults:
    """For screens with workers that do not end the app when they fail."""

    app: App[str]

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.app.notify(
                printable(f"{event.worker.group}: {type(error).__name__}: {error}"),
                title="A fault in this program",
                severity="error",
                timeout=30,
                markup=False,
            )
