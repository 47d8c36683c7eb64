"""The directory of a task: the task file, the preset, the files it names, and tuiftune itself."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tuiftune import outputs, paths
from tuiftune.errors import UserError
from tuiftune.jobs.rented import wheel
from tuiftune.jobs.task_files.task import INPUTS
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.jobs.task_files.base import TaskFile
    from tuiftune.jobs.task_files.task import Task

PRESET = "preset.yaml"


def write(directory: Path, kind: TaskFile, task: Task, watch: Callable[[str], None]) -> list[str]:
    """Write a task's directory. Returns the names in it.

    Args:
        watch: called with each file before it is copied.

    Raises:
        UserError: if there is something in it already, or it cannot be written.
    """
    text = kind.text(task)
    if not paths.gone(directory) and (not paths.is_dir(directory) or paths.entries(directory)):
        raise UserError(
            "is not empty", place=printable(str(directory)), remedy="name another directory with --output"
        )
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with outputs.writing(directory / kind.file) as file:
            file.write(text.encode())
        with outputs.writing(directory / PRESET) as file:
            file.write(task.preset.encode())
        if kind.carries:
            for source in task.files:
                watch(source)
                _take(source, directory)
            if not task.options.image:
                watch("tuiftune's own wheel")
                wheel.build(directory)
                shutil.copyfile(wheel.install_script(), directory / wheel.INSTALL)
    except OSError as fault:
        raise paths.cannot(fault, directory, "write") from None
    return sorted(one.name for one in paths.entries(directory))


def _take(source: str, directory: Path) -> None:
    """Put a file or a directory under its whole path: a second name of it, or a copy on another disk."""
    path = paths.absolute(source)
    files = sorted(paths.below(path, hidden=())) if paths.is_dir(path) else [path]
    for file in files:
        target = directory / f"{INPUTS}{file}"
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = paths.followed(file)
        try:
            os.link(whole, target)
        except OSError:
            shutil.copyfile(whole, target)
