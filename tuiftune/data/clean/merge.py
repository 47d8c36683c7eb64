"""Rows that ask the same merged into one: whose answer stays, and what it takes over from the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from tuiftune.data.clean.repair import Change, shown
from tuiftune.data.similar.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset

Duplicates = Literal["drop", "merge"]
MERGING = ("instruction", "chat", "sharegpt", "prompt-completion", "classification")


@dataclass(frozen=True, slots=True)
class Merge:
    """Rows that go (`indices`), the row that stays for each of them, and rows whose labels contradict one
    another evenly, so that none can stay.
    """

    indices: NDArray[np.intp]
    partner: NDArray[np.intp]
    contradicting: NDArray[np.intp]


def same_input(dataset: Dataset, rows: NDArray[np.intp]) -> Merge:
    """Of `rows` those that ask the same under one system message (or none) become one.

    The answer that most of them give stays; among equals the longest, which beats the others as training data
    (Zhao and others, "Long Is More for Alignment", 2024). For labels a tie is nobody's to decide. Formats in
    which one input rightly has several rows (preferences, KTO) and raw text are left alone.
    """
    nothing = np.empty(0, dtype=np.intp)
    if dataset.format not in MERGING or not len(rows):
        return Merge(nothing, nothing, nothing)
    asked = dataset.frame[rows].select(
        ask=normalized("prompt").hash(0), blank=normalized("prompt") == "", system=normalized("system")
    )
    several = pl.col("system").filter(pl.col("system") != "").n_unique().over("ask") > 1
    own = pl.when(several).then(pl.col("system").hash(1)).otherwise(0)
    keys = asked.select(pl.col("ask") ^ own).to_series()
    again = rows[(keys.is_duplicated() & ~asked["blank"]).to_numpy()]
    groups = keys.filter(keys.is_duplicated() & ~asked["blank"]).to_numpy()
    return _merged(dataset, again, groups, strict=dataset.format == "classification")


def alike(dataset: Dataset, rows: NDArray[np.intp], root: NDArray[np.int64]) -> Merge:
    """Near-duplicates (rows of one `root`) become one, chosen as for rows that ask the same; of texts the
    longest stays.
    """
    _, inverse, sizes = np.unique(root, return_inverse=True, return_counts=True)
    several = sizes[inverse] > 1
    return _merged(dataset, rows[several], root[several], strict=False)


def _merged(dataset: Dataset, rows: NDArray[np.intp], groups: NDArray[np.generic], *, strict: bool) -> Merge:
    said = dataset.frame[rows].select(normalized("answer")).to_series().to_list()
    going: list[tuple[int, int]] = []
    contradicting: list[int] = []
    order = np.argsort(groups, kind="stable")
    bounds = np.flatnonzero(np.diff(groups[order].astype(np.uint64))) + 1
    for members in np.split(order, bounds) if len(order) else []:
        counts = Counter(said[place] for place in members)
        most = max(counts.values())
        if strict and list(counts.values()).count(most) > 1:
            contradicting += [int(rows[place]) for place in members]
            continue
        winners = [place for place in members if counts[said[place]] == most]
        stays = max(winners, key=lambda place: (len(said[place]), -place))
        going += [(int(rows[place]), int(rows[stays])) for place in members if place != stays]
    going.sort()
    pairs = np.array(going, dtype=np.intp).reshape(-1, 2)
    return Merge(pairs[:, 0], pairs[:, 1], np.array(sorted(contradicting), dtype=np.intp))


def with_systems(dataset: Dataset, pairs: Iterable[tuple[int, int]]) -> tuple[Dataset, list[Change]]:
    """Rows that stay without a system message take that of a (gone, stays) twin over."""
    systems = dataset.frame["system"].to_list()
    taken: dict[int, str] = {}
    for gone, stays in pairs:
        if systems[gone] and not (systems[stays] or "").strip():
            taken.setdefault(stays, systems[gone])
    if not taken:
        return dataset, []
    for index, system in taken.items():
        systems[index] = system
    fresh = replace(dataset, frame=dataset.frame.with_columns(pl.Series("system", systems, dtype=pl.String)))
    return fresh, [
        Change(
            index,
            ("system message taken over",),
            shown(dataset.frame.row(index, named=True)),
            shown(fresh.frame.row(index, named=True)),
        )
        for index in sorted(taken)
    ]
