"""Slurm: a batch script of one node; `train --on slurm` also submits, follows and takes several nodes."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from tuiftune.interpreter import command, environment
from tuiftune.jobs.task_files.base import TaskFile
from tuiftune.jobs.task_files.script import script

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.task import Task

NOTICE_SECONDS = 120  # before the time limit, in which a checkpoint is saved
# Asked to stop by Slurm, not by a person: exit code 4 says that a checkpoint was saved.
REQUEUE = '[ "$code" -eq 4 ] && [ -n "$told" ] && scontrol requeue "$SLURM_JOB_ID"'


def text(task: Task) -> str:
    """Return the batch script."""
    options = {
        "job-name": f"tuiftune-{task.slug}",
        "nodes": "1",
        "ntasks": "1",
        "output": f"tuiftune-{task.slug}.log",
        "open-mode": "append",
        "signal": f"B:TERM@{NOTICE_SECONDS}",  # to this script, which passes it on
    }
    if task.gpu is not None:
        options["gres"] = f"gpu:{task.count}"
    if task.hours is not None:
        options["time"] = str(math.ceil(task.hours * 60))
    found = environment().get("PYTHONPATH")
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH --{name}={value}" for name, value in options.items()),
        "#SBATCH --requeue",
        f"# Written by tuiftune. Start it in this directory: {TASK_FILE.command}",
        *(
            [
                f"# Planned for {task.count} × {task.gpu}: add its type to gres if nodes differ, or write "
                f"gpus-per-node={task.count} where the cluster wants that."
            ]
            if task.gpu
            else []
        ),
        "export PYTHONSAFEPATH=1",
        *([f"export PYTHONPATH={shlex.quote(found)}"] if found else []),
    ]
    program = shlex.join(command("tuiftune"))
    return "\n".join(lines) + "\n" + script(task, program, after=REQUEUE)


TASK_FILE = TaskFile("slurm", "Slurm", "job.sh", "sbatch job.sh", text, "", bucket=False, carries=False)
