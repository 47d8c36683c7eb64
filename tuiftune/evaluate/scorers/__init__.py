"""The registry of scorers: each file of this room that holds a `Scorer` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.evaluate import extras
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.options import entries
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.evaluate.task import Task


@functools.cache
def every() -> Mapping[str, Scorer]:
    """Return every scorer by key, in the order they are listed in."""
    return entries("evaluate.scorers", Scorer)


def named(asked: Sequence[str]) -> list[tuple[Scorer, str]]:
    """Return the scorers of `KEY` or `KEY=ARGUMENT`, with their arguments.

    Raises:
        UserError: for an unknown key, an argument that is missing or not taken, or a missing package.
    """
    found = []
    for text in asked:
        key, equals, argument = text.partition("=")
        scorer = every().get(key)
        place = f"--metric {printable(text)}"
        if scorer is None:
            raise UserError("unknown metric", place=place, remedy=f"use one of: {', '.join(every())}")
        if bool(scorer.takes) != bool(equals and argument):
            remedy = f"write {key}={scorer.takes.upper()}" if scorer.takes else f"write {key} alone"
            raise UserError(
                "its argument is missing" if scorer.takes else "takes no argument", place=place, remedy=remedy
            )
        for package in scorer.packages:
            extras.need(package, place)
        found.append((scorer, argument))
    return found


def chosen(task: Task, *, losses: bool) -> tuple[list[tuple[Scorer, str]], list[str]]:
    """Return the scorers that suit a task, its main metric first, and those left out for lack of a package.

    `losses`: the likelihood of references can be measured.
    """
    suited = [
        scorer
        for scorer in every().values()
        if task.kind in scorer.tasks and not scorer.takes and (losses or not scorer.losses)
    ]
    suited.sort(key=lambda scorer: task.kind not in scorer.leads)
    missing = [scorer.key for scorer in suited if not all(map(extras.present, scorer.packages))]
    return [(scorer, "") for scorer in suited if scorer.key not in missing], missing
