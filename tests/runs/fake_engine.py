"""An engine in place of the real one: it keeps the same contract with a run directory, and trains nothing.

`python fake_engine.py RUN_DIR MODE`. Modes: quick (to the end at once), steady (until asked to stop or
signalled), crash (an exception after two steps), silent (ends with no word), nan, diverged.
"""

from __future__ import annotations

import fcntl
import signal
import sys
import time
from pathlib import Path

from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.holder import LOCK

STEPS = 20


def main() -> int:
    run, mode = RunDir.open(Path(sys.argv[1])), sys.argv[2]
    run.control_path.mkdir(exist_ok=True)
    lock = (run.control_path / LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    writer = EventWriter(run.events_path)
    if mode == "silent":
        return 3
    print("engine at work", flush=True)
    total = STEPS if mode != "steady" else 100_000
    writer.emit("start", run=run.name, model="fake", technique="lora", device="cpu", total_steps=total)
    writer.emit("phase", name="training", detail="", done=None, total=None)
    writer.emit("eval", step=0, loss=3.0, perplexity=20.1, when="before")
    for step in range(1, total + 1):
        writer.emit(
            "step", step=step, loss=3.0 / step, lr=1e-4, grad_norm=1.0, tokens=step, tokens_per_second=9.0
        )
        if mode == "crash" and step == 2:
            raise RuntimeError("the cable was pulled")
        if mode == "nan" and step == 3:
            writer.emit("step", step=4, loss=float("nan"), lr=1e-4, grad_norm=1.0)
            writer.emit("end", state="nan", exit_code=5, why="loss is not a number at step 4")
            return 5
        if mode == "diverged" and step == 5:
            writer.emit("end", state="diverged", exit_code=9, why="diverged at a learning rate of 1")
            return 9
        if mode == "steady":
            by = control.stop_requested(run)
            if by or signals:
                writer.emit("checkpoint", step=step, path="checkpoints/checkpoint", bytes=1, seconds=0.1)
                state = "stopped" if by else "preempted"
                writer.emit("end", state=state, exit_code=4, why=by or "SIGTERM")
                return 4
            time.sleep(0.05)
    writer.emit("eval", step=total, loss=1.0, perplexity=2.72, when="after")
    writer.emit("end", state="done", exit_code=0, why="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
