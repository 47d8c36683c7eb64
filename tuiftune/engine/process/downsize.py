"""Out of GPU memory in training: the same run in a fresh process, with half the micro batch.

A process that ran out of memory is fragmented and may be broken, so nothing is retried in it. The effective
batch, the schedule and the order of the rows stay: only how many rows go through the GPU at once changes.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import interpreter, paths
from tuiftune.engine.distributed.ranks import VARIABLES
from tuiftune.engine.training.settings import RECORD
from tuiftune.figures import size
from tuiftune.jobs.backend import training
from tuiftune.runs.store import checkpoints
from tuiftune.runs.store.directory import RunDir, write_text

if TYPE_CHECKING:
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.settings import Settings

TRAINING = ("training", "evaluating", "saving")  # phases whose memory the micro batch decides


def smaller(micro: int, effective: int, least: int = 1) -> int | None:
    """The next smaller micro batch (rows) that divides a process's share of the effective batch; None below
    `least`, or if none can.

    >>> smaller(4, 16), smaller(6, 12), smaller(1, 8)
    (2, 3, None)
    """
    if effective % micro:
        return None
    return next((rows for rows in range(micro // 2, least - 1, -1) if effective % rows == 0), None)


def downsize(run: RunDir, settings: Settings, report: Report, others: int = 0) -> bool:
    """Record and announce the next smaller micro batch. False where that can't help or there is none.

    `others` are the bytes of the GPU that other processes hold.
    """
    training, processes = settings.preset.training, settings.processes
    planned, effective = settings.planned_micro_batch, int(training.effective_batch)
    now = int(training.micro_batch)
    rows = smaller(now, effective // processes, settings.stage.least)
    phases = (*TRAINING, "preflight") if settings.sharded else TRAINING  # whose check one process can't end
    if rows is None or report.phase_name not in phases:
        return False
    document = {"micro_batch": rows, "planned": planned, "step": report.step}
    try:
        write_text(run.path / RECORD, json.dumps(document) + "\n")
    except OSError:
        return False  # without the record the next process would run out of memory just so
    saved = checkpoints.any_in(run.checkpoints_path)
    report.warning(
        "micro_batch_halved",
        f"out of GPU memory after step {report.step}{_used(others)}: the run continues from the "
        f"{'last checkpoint' if saved else 'beginning'} with a micro-batch size of {rows} instead of {now} "
        f"and an accumulation of {effective // rows // processes}; the effective batch stays {effective}",
        f"set training.micro_batch: {rows} in the preset to avoid this restart",
    )
    report.emit("control", what="restart", by="the engine")
    return True


def _used(others: int) -> str:
    return f", while other processes use {size(others)} of this GPU" if others else ""


def become_fresh(run: Path, *, force: bool, terminal: int | None) -> None:
    """Replace this process by a new engine on the run, which keeps its process id. Doesn't return.

    Every other open file is closed on the way, the GPU's among them: its memory is free then.
    """
    if terminal is not None:
        os.dup2(terminal, 2)
    for name in (path.name for path in paths.entries(Path("/proc/self/fd"))):
        if int(name) > 2:
            try:
                fcntl.fcntl(int(name), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            except OSError:  # the listing's own
                continue
    for name in VARIABLES:  # or it would take itself for one of several
        os.environ.pop(name, None)
    command = training(RunDir(run), force=force).command()
    os.execve(command[0], command, interpreter.environment())
