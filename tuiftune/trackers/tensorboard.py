"""TensorBoard: event files in the run's own directory."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.trackers.base import Ended, Sending, Tracker, always_ready

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Files:
    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._step = sending.step
        self._writer: Any = self._opened(sending.step + 1 if sending.resumed else None)
        if not sending.resumed:
            lines = [f"{key}: {value}" for key, value in sending.config.items()]
            self._writer.add_text("preset", "\n".join(f"    {line}" for line in lines), 0)

    def _opened(self, purge: int | None) -> Any:
        # The name of a file holds its second only: a second file of one second would replace the first.
        suffix = f".{len(paths.matching(self._sending.directory, 'events.*'))}"
        writer = import_module("tensorboardX").SummaryWriter
        return writer(str(self._sending.directory), purge_step=purge, filename_suffix=suffix)

    def log(self, step: int, when: float, values: Mapping[str, float]) -> None:
        if step < self._step:  # TensorBoard drops what a file before had from that step on
            self._writer.close()
            self._writer = self._opened(step)
        self._step = step
        for name, value in values.items():
            self._writer.add_scalar(name, value, step, walltime=when)

    def flush(self) -> None:
        self._writer.flush()

    def end(self, ended: Ended | None) -> None:
        if ended is not None:
            lines = [f"state: {ended.state}", *(f"{name}: {value}" for name, value in ended.scores.items())]
            lines += [f"result: {ended.result}"] if ended.result else []
            self._writer.add_text("result", "\n".join(f"    {line}" for line in lines), self._step)
        self._writer.close()


TRACKER = Tracker(
    "tensorboard",
    "TensorBoard",
    "tensorboardX",
    "tensorboard --logdir {directory}",
    always_ready,
    _Files,
)
