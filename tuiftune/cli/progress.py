"""The progress bar of a run in a terminal: one line that is redrawn, with printed lines above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from tuiftune.cli.terminal import err
from tuiftune.figures import duration
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import PHASES, figure

if TYPE_CHECKING:
    from tuiftune.runs.state.run_state import RunState


class Bar:
    """Shows the training steps, or the progress of any other phase that reports one."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}", markup=False),
            console=err(),
            refresh_per_second=4,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("starting", total=None, words="")
        self._progress.start()

    def show(self, state: RunState) -> None:
        phase = state.phase
        training = phase.name in ("training", "evaluating", "saving") and bool(state.step)
        done, total = (state.step, state.total_steps) if training else (phase.done, phase.total)
        words = f"{done:,}/{total:,}" if done is not None and total else ""
        if training:
            words += f" loss {figure(state.smooth_loss)}"
            left = state.eta.seconds
            words += f" · {duration(left)} left" if left else ""
        name = "training" if training else PHASES.get(phase.name, phase.name) or "starting"
        self._progress.update(self._task, description=name, completed=done or 0, total=total, words=words)

    def say(self, line: str) -> None:
        self._progress.console.print(Text(printable(line)), soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()
