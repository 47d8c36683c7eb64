"""The commands of a task: train, or continue what was begun; then copy what is not in the bucket yet."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.task import Task

RUNS = "runs"


def script(task: Task, program: str = "tuiftune", *, after: str = "") -> str:
    """A POSIX shell script that trains a task in the directory of its preset. Its exit code is the run's.

    A signal to the shell is passed on, so that a checkpoint is saved. `after`: lines before it exits; `code`
    is the exit code, and `told` is set if a signal came.
    """
    name = shlex.quote(task.name)
    lines = [
        f"{program} train preset.yaml --name {name} --runs {RUNS} --or-resume &",
        "child=$!",
        "told= code=0",
        "trap 'told=1; kill -TERM \"$child\" 2>/dev/null' TERM INT",
        'wait "$child" || code=$?',
        'while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done',
    ]
    if task.bucket:  # what the run itself has not copied yet must not be lost with the machine
        lines.append(f'{program} sync {name} --runs {RUNS} --follow --wait || [ "$code" -ne 0 ] || code=1')
    return "\n".join([*lines, *([after] if after else []), 'exit "$code"']) + "\n"
