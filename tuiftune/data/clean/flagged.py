"""Rows that a check flags, dropped where that is the remedy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tuiftune.data.checks.check import Subject
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset

# check → the module and function that finds it. Problems that can be fixed, and properties of the whole, are
# not here: nobody gains by dropping every row of the largest label.
DROPPABLE = {
    "wrong-types": ("structure", "structure"),
    "hidden-characters": ("encoding", "hidden"),
    "placeholders": ("encoding", "placeholders"),
    "missing-values": ("encoding", "placeholders"),
    "secrets": ("secrets", "secrets"),
    "personal-data": ("secrets", "secrets"),
    "refusals": ("answers", "answers"),
    "negative-examples": ("answers", "answers"),
    "unfinished-answers": ("answers", "answers"),
    "equal-sides": ("pairs", "compared"),
    "swapped-sides": ("pairs", "compared"),
    "rare-labels": ("labels", "labels"),
    "languages": ("languages", "languages"),
}


def flagged(dataset: Dataset, names: Sequence[str]) -> Iterator[Check]:
    """The results of these checks, as far as they apply to the format. UserError for any other check."""
    for name in names:
        if name not in DROPPABLE:
            raise UserError(
                f"{name} is not a check whose rows can be dropped",
                place="drop",
                remedy="use one of " + ", ".join(DROPPABLE),
            )
    stages = dict.fromkeys(DROPPABLE[name] for name in names)
    for of_format, check in (("classification", ("labels", "labels")), ("preference", ("pairs", "compared"))):
        if dataset.format != of_format:
            stages.pop(check, None)
    for module, function in stages:
        find = getattr(import_module(f"tuiftune.data.checks.{module}"), function)
        yield from (check for check in find(Subject(dataset)) if check.check in names)
