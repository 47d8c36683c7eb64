"""Merging near-identical labels, such as LOGIN and login, into their most frequent spelling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import polars as pl

from tuiftune.data.checks.check import Subject
from tuiftune.data.checks.labels import label_counts, similar_labels
from tuiftune.data.clean.repair import Change, shown

if TYPE_CHECKING:
    from tuiftune.data.dataset import Dataset

Labels = Literal["keep", "merge"]


def spellings(counts: list[tuple[str, int]]) -> dict[str, str]:
    """Return the label to use for each label that is nearly the same as a more frequent one.

    `counts` are labels with their rows, the most frequent first.
    """
    kept: dict[str, str] = {}
    for frequent, rarer in similar_labels(counts):
        kept.setdefault(rarer, kept.get(frequent, frequent))
    return kept


def merged(dataset: Dataset) -> tuple[Dataset, list[Change]]:
    """Return the dataset with near-identical labels merged, and the changed rows."""
    if dataset.format != "classification":
        return dataset, []
    kept = spellings(label_counts(Subject(dataset)))
    label, answer = pl.col("label"), pl.col("answer")
    rows = dataset.frame.select(label.is_in(list(kept)).fill_null(False)).to_series().arg_true().to_list()
    if not rows:
        return dataset, []
    fresh = replace(
        dataset,
        frame=dataset.frame.with_columns(
            answer=pl.when(answer == label).then(answer.replace(kept)).otherwise(answer),
            label=label.replace(kept),
        ),
    )
    changes = [
        Change(
            index,
            ("labels merged",),
            shown(dataset.frame.row(index, named=True)),
            shown(fresh.frame.row(index, named=True)),
        )
        for index in rows
    ]
    return fresh, changes
