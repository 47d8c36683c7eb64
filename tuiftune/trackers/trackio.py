"""Trackio: a database on this machine, or the Hugging Face Space that TRACKIO_SPACE_ID names."""

from __future__ import annotations

import contextlib
import io
import os
from importlib import import_module
from typing import TYPE_CHECKING

from tuiftune.trackers.base import Ended, Sending, Tracker, always_ready

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Database:
    def __init__(self, sending: Sending) -> None:
        self._trackio = import_module("trackio")
        with contextlib.redirect_stdout(io.StringIO()):  # it greets and links
            self._run = self._trackio.init(
                project=sending.project,
                name=f"{sending.name}-{sending.id[:6]}",
                config=dict(sending.config),
                space_id=os.environ.get("TRACKIO_SPACE_ID"),
                resume="allow",
                embed=False,
                auto_log_gpu=False,  # the run measures its GPUs itself
                auto_log_cpu=False,
            )

    def log(self, step: int, when: float, values: Mapping[str, float]) -> None:
        del when
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """It sends from a thread of its own."""

    def end(self, ended: Ended | None) -> None:
        if ended is not None and ended.scores:
            self._run.log({f"final/{name}": value for name, value in ended.scores.items()})
        with contextlib.redirect_stdout(io.StringIO()):
            self._run.finish()


TRACKER = Tracker("trackio", "Trackio", "trackio", "trackio show", always_ready, _Database)
