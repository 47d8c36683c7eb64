"""What a task file is, and the registry of those that there are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.jobs import task_files
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.task_files.task import Task

OWN = (
    "base",
    "task",
    "making",
    "gpu_names",
    "script",
    "directory",
    "layout",
)  # of this room, which are no task files


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A kind of task file: `title` names its program, `file` is what it is called, `command` starts it.

    `text` writes it; UserError where the task cannot be told in it. `bucket`: whether the run must be copied
    to an object store, since its machine is gone at the end. `carries`: whether the program takes the files
    next to the task file along. `checked_against`: the version of the program whose schema it was checked by,
    "" for none.
    """

    key: str
    title: str
    file: str
    command: str
    text: Callable[[Task], str]
    checked_against: str
    bucket: bool = True
    carries: bool = True
    image: bool = False  # whether it needs a container image that has tuiftune
    aliases: tuple[str, ...] = ()


def every() -> dict[str, TaskFile]:
    """Return all kinds by their names."""
    modules = (
        import_module(f"{task_files.__name__}.{one.name}") for one in iter_modules(task_files.__path__)
    )
    found: list[TaskFile] = [one.TASK_FILE for one in modules if hasattr(one, "TASK_FILE")]
    return {one.key: one for one in sorted(found, key=lambda one: one.key)}


def find(name: str) -> TaskFile:
    """Return the kind of a name. Raises UserError if there is none."""
    known = every()
    for one in known.values():
        if name.lower() in (one.key, *one.aliases):
            return one
    raise UserError(
        f"{printable(name) or repr(name)} is not a kind of task file",
        place="--as",
        remedy=f"use one of: {', '.join(known)}",
    )
