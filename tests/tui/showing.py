"""What the app's tests share: a log that a test writes as it goes along, and what stands on the screen."""

from __future__ import annotations

import fcntl
import math
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.runs.log.writer import serialize
from tuiftune.runs.store.holder import LOCK
from tuiftune.runs.store.process import identify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp

SMALL = (80, 24)
HELD: list[int] = []  # locks of runs that are shown as alive, for as long as the tests go on


class Log:
    """Appends events to a run's log at times of the test's choosing."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.seq = 0
        self.t = time.time() - 3600

    def add(self, kind: str, /, after: float = 1.0, **payload: Any) -> None:
        self.seq += 1
        self.t += after
        with self.run.events_path.open("ab") as file:
            file.write(serialize({"v": 1, "seq": self.seq, "t": self.t, "type": kind, **payload}))

    def start(self, total: int = 100, **payload: Any) -> None:
        facts = {"model": "acme/test-7b", "technique": "lora", "device": "cpu", "epochs": 3.0}
        facts |= {
            "rows_train": 900,
            "rows_eval": 100,
            "trainable": 40_000,
            "parameters": 7_000_000,
            "run": self.run.name,
        }
        self.add("start", total_steps=total, **{**facts, **payload})
        self.add("phase", name="training", detail="", done=None, total=None)

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            loss = 2.0 * math.exp(-step / 30) + 0.5
            self.add(
                "step",
                step=step,
                loss=loss,
                lr=1e-4,
                grad_norm=0.9,
                tokens=step * 512,
                tokens_per_second=480.0,
                epoch=step / 33,
            )

    def gpus(self, number: int, **fields: Any) -> None:
        one = {"name": "NVIDIA H200", "utilisation": 93, "memory_used": 71 << 30, "memory_total": 141 << 30}
        one |= {"power_w": 612.0, "temperature_c": 61, "throttle": []}
        entries = [{"index": index, **one, **fields} for index in range(number)]
        self.add(
            "gpu",
            gpus=entries,
            cpu=38.0,
            host_memory_used=9 << 30,
            host_memory_total=24 << 30,
            disk_free=51 << 30,
        )

    def end(self, state: str = "done", code: int = 0, why: str = "") -> None:
        self.add("end", state=state, exit_code=code, why=why)


def live(log: Log) -> None:
    """Give the run a process that is alive and holds it, as an engine does: this one."""
    identity = identify(os.getpid(), 0)
    assert identity is not None
    log.run.pid_path.write_text(identity.dump())
    lock = os.open(log.run.control_path / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    HELD.append(lock)


def shown(app: TuneApp) -> str:
    """What stands on the screen, line by line, without colours."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in lines) or "\n" * 24  # before its first layout


async def until(pilot: Any, condition: Callable[[], object], seconds: float = 40.0) -> None:
    """Let the app run until the condition holds; fails with what is on the screen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s; the screen shows\n{shown(pilot.app)}")
        await pilot.pause(0.05)
