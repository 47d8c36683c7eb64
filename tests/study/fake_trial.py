"""An engine in place of the real one for trials of a study: its eval loss follows from the learning rate.

`python fake_trial.py RUN_DIR SECONDS`: the loss falls to its lowest at a rate of 5e-3, does not fall at all
two decades from there, and at a rate of 1 the run diverges. It falls less with fewer rows. SECONDS is what a
quarter of its steps takes.
"""

from __future__ import annotations

import fcntl
import json
import math
import random
import sys
import time
from pathlib import Path

from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.holder import LOCK

BASE, GROUPS = 4.0, 8
MOST_ROWS = 200  # training rows, beyond which no more is gained from them


def main() -> int:
    run, pause = RunDir.open(Path(sys.argv[1])), float(sys.argv[2])
    lock = (run.control_path / LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    resolved = json.loads((run.path / "plan.json").read_text())["resolved"]
    training, rows = resolved["training"], Path(str(resolved["data"]["train"]))
    rate, seed, steps = training["learning_rate"], training["seed"], training["max_steps"]
    gain = 3.0 * max(0.0, 1 - abs(math.log10(rate / 5e-3)) / 2)
    if rows.name.startswith("rows-"):  # of a curve: the gain grows with the rows
        gain *= min(1.0, len(rows.read_text().splitlines()) / MOST_ROWS)
    writer = EventWriter(run.events_path)
    writer.emit("start", run=run.name, model="fake", technique="lora", device="cpu", total_steps=steps)
    writer.emit("eval", step=0, loss=BASE, when="before")
    for quarter in range(1, 5):
        step = steps * quarter // 4
        if rate >= 1 and quarter == 2:
            writer.emit("end", state="diverged", exit_code=9, why="diverged at a learning rate of 1")
            return 9
        time.sleep(pause)
        if by := control.stop_requested(run):
            writer.emit("end", state="stopped", exit_code=4, why=by)
            return 4
        writer.emit("step", step=step, loss=BASE - gain * quarter / 4, lr=rate, grad_norm=1.0)
        writer.emit("eval", step=step, loss=BASE - gain * quarter / 4, when="during")
    noise = random.Random(seed)  # of the rows, which all rates share
    parts = [[10 * (BASE - gain + noise.gauss(0, 0.3)), 10] for _ in range(GROUPS)]
    loss = sum(part for part, _ in parts) / (10 * GROUPS)
    result = {
        "before": {"loss": BASE},
        "after": {"loss": loss, "loss_parts": parts},
        "steps": steps,
        "seconds": 4 * pause,
    }
    (run.result_path / "result.json").write_text(json.dumps(result))
    writer.emit("eval", step=steps, loss=loss, when="after")
    writer.emit("end", state="done", exit_code=0, why="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
