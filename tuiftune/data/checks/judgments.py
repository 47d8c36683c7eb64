"""Checks of judged answers: that there are good and bad ones, and how many of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuiftune.data.checks.check import Check
from tuiftune.errors import UserError
from tuiftune.figures import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Subject
    from tuiftune.data.dataset import Dataset

MOST = (
    4 / 3
)  # times as much weight for one kind of answers than for the other (Ethayarajh et al. 2024, eq. 8)


def counted(dataset: Dataset) -> tuple[int, int]:
    """Return how many usable rows are judged good, and how many bad."""
    labels = dataset.frame["label"].filter(dataset.usable)
    return int((labels == "true").sum()), int((labels == "false").sum())


def check_both_kinds(dataset: Dataset, place: str) -> None:
    """UserError if the rows are all judged good, or all bad."""
    good, bad = counted(dataset)
    if good and bad:
        return
    if not good + bad:
        raise UserError(
            "no answer is judged good or bad",
            place=place,
            remedy="name the column that says it as label in data.columns, such as true and false",
        )
    which = "good" if good else "bad"
    raise UserError(
        f"all {good + bad:,} answers are judged {which}, so nothing tells good from bad",
        place=place,
        remedy="add answers of the other kind; or train on the good ones alone, without the column of labels"
        if good
        else "add answers that are judged good",
    )


def judgments(subject: Subject) -> Iterator[Check]:
    """judgments: good and bad answers next to each other, and the weight that evens them out."""
    good, bad = counted(subject.dataset)
    few, many = sorted((good, bad))
    title, nothing = "Good and bad answers", np.empty(0, dtype=np.intp)
    why = f"{good:,} answers are judged good and {bad:,} bad."
    if few and many / few <= MOST:
        yield Check("judgments", title, "ok", 0, indices=nothing)
    elif few:
        rarer = "desirable" if good < bad else "undesirable"
        yield Check(
            "judgments",
            title,
            "warning",
            few,
            why=f"{why} The rarer kind, {percent(few / (few + many))}, has too little weight.",
            remedy=f"set method.{rarer}_weight: {many / few:.3g}",
            indices=nothing,
        )
    else:
        yield Check(
            "judgments",
            title,
            "error",
            many,
            why=f"{why} Without the other kind nothing tells good from bad.",
            remedy="add answers of the other kind",
            indices=nothing,
        )
