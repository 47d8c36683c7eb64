"""Near-duplicates within the rows, and leakage between training and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.checks.check import Check
from tuiftune.data.excerpt import excerpt
from tuiftune.data.similar.near import NearPairs, clusters, near_pairs
from tuiftune.data.similar.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Subject
    from tuiftune.data.dataset import Dataset

_KEYS = 32_768  # rows hashed at once
MOST_BYTES = 700 << 20  # of text that is searched for near-duplicates: about 2 GB of shingles
MUCH = 0.01  # share of rows above which near-duplicates are a warning


def near_duplicates(subject: Subject) -> Iterator[Check]:
    """near-duplicates (all but the first of each group, exact duplicates not counted again) and leakage."""
    held_out = subject.eval_dataset
    both = [subject.dataset] if held_out is None else [subject.dataset, held_out]
    groups = Groups(Compared(both), lambda done: subject.progress("near duplicates", done))
    own = subject.dataset.rows
    yield _near(subject, groups, own)
    yield _leakage(subject, groups, own)


class Compared:
    """What makes rows alike: prompt and answer together; for classification the text alone.

    Texts of several datasets one after another, put together only when a slice is asked for.
    """

    def __init__(self, datasets: list[Dataset], rows: NDArray[np.intp] | None = None) -> None:
        self._parts = [_joined(dataset) for dataset in datasets]
        self._bounds = np.cumsum([0, *(dataset.rows for dataset in datasets)])
        self._rows = rows

    def __len__(self) -> int:
        return int(self._bounds[-1]) if self._rows is None else len(self._rows)

    def slice(self, offset: int, length: int) -> pl.Series:
        """Texts from `offset` on, at most `length`."""
        stop = min(offset + length, len(self))
        wanted = np.arange(offset, stop) if self._rows is None else self._rows[offset:stop]
        pieces = []
        for number, (frame, text) in enumerate(self._parts):
            low, high = self._bounds[number], self._bounds[number + 1]
            own = wanted[(wanted >= low) & (wanted < high)] - low
            if len(own):
                span = int(own[-1] - own[0]) + 1  # of a frame of many pieces polars would copy whole columns
                part = frame.slice(int(own[0]), span)
                if span > len(own):
                    part = part[own - own[0]]
                pieces.append(part.select(text).to_series())
        return pl.concat(pieces) if pieces else pl.Series("text", [], dtype=pl.String)

    def chosen(self, rows: NDArray[np.intp]) -> Compared:
        """The same texts at these ascending positions only."""
        out = object.__new__(Compared)
        out._parts, out._bounds, out._rows = self._parts, self._bounds, rows
        return out


def _joined(dataset: Dataset) -> tuple[pl.DataFrame, pl.Expr]:
    names = ["prompt"] if dataset.format == "classification" else ["prompt", "answer"]
    text = pl.concat_str([pl.col(name) for name in names], separator="\n", ignore_nulls=True).alias("text")
    return dataset.frame.select(names), text


class Groups:
    """Texts grouped by equality and by nearness. `same[i]` is the first equal text, `root[i]` the first of
    i's group. Of very many texts only some, evenly spaced, are searched for near ones: `searched` of them.
    """

    def __init__(self, texts: Compared, watch: Callable[[float], None] | None = None) -> None:
        count = len(texts)
        keys, size = np.empty(count, dtype=np.uint64), 0
        for at in range(0, count, _KEYS):
            piece = texts.slice(at, _KEYS)
            keys[at : at + _KEYS] = _keys(piece)
            size += int(piece.str.len_bytes().sum() or 0)
            if watch and count > _KEYS:
                watch(0.1 * at / count)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        self.same: NDArray[np.int64] = first[inverse]
        del keys, inverse
        distinct = np.sort(first)
        self.searched = 0 if size <= MOST_BYTES else max(1, len(distinct) * MOST_BYTES // size)
        if self.searched:
            distinct = distinct[np.linspace(0, len(distinct) - 1, self.searched).astype(np.intp)]
        whole = len(distinct) == count and texts._rows is None
        found = near_pairs(
            texts if whole else texts.chosen(distinct),
            watch=(lambda done: watch(0.1 + 0.9 * done)) if watch else None,
        )
        self.pairs = NearPairs(distinct[found.pairs], found.jaccard, found.complete, found.stopped)
        root = clusters(self.pairs.pairs, count)
        self.root: NDArray[np.int64] = root[self.same]

    @property
    def told(self) -> str:
        """What a title adds where not all were searched."""
        return f" ({self.searched:,} of {len(self.same):,} rows compared)" if self.searched else ""


def _keys(texts: pl.Series) -> NDArray[np.uint64]:
    return pl.DataFrame({"text": texts}).select(normalized("text").hash()).to_series().to_numpy()


def _near(subject: Subject, groups: Groups, own: int) -> Check:
    positions = np.arange(own)
    repeated = np.flatnonzero((groups.root[:own] != positions) & (groups.same[:own] == positions))
    pairs = groups.pairs
    examples = []
    for (left, right), value in zip(pairs.pairs[:3], pairs.jaccard[:3], strict=True):
        if right < own:
            rows = subject.frame["row"].gather([left, right]).to_list()
            text = subject.frame["prompt"][int(left)] or subject.frame["answer"][int(left)]
            examples.append(f"{rows[0]} ~ {rows[1]} ({value:.2f}): {excerpt(text or '', 56)}")
    short = "" if not pairs.stopped else " The search stopped early; there may be more."
    return subject.verdict(
        "near-duplicates",
        "Near-duplicates" + groups.told,
        "warning" if len(repeated) > MUCH * own else "info",
        repeated,
        why="They share at least 70% of their 3-word phrases with an earlier row, so they add little "
        "and get memorized." + short,
        remedy="keep one of each group: tuiftune data clean --near",
        examples=examples,
        partner=groups.root[repeated].astype(np.intp),
    )


def _leakage(subject: Subject, groups: Groups, own: int) -> Check:
    """Training rows that are (nearly) rows of the evaluation split."""
    from tuiftune.data.mix.split import as_share, split_indices

    held_out = subject.eval_dataset
    if held_out is not None:
        train = np.arange(own)
        held = np.arange(own, own + held_out.rows)
        held_rows = held_out.frame["row"].to_list()
    else:
        share = as_share(subject.eval_spec) or 0.0
        train, held = split_indices(subject.dataset, share, subject.seed)
        held_rows = []
    if not len(held):
        return Check("leakage", "Data leakage into the evaluation set" + groups.told, "ok", 0, indices=held)
    leaking = train[np.isin(groups.root[train], groups.root[held])]
    partner = dict(zip(groups.root[held].tolist(), held.tolist(), strict=True))
    examples = []
    for index in leaking[:3].tolist():
        other = partner[int(groups.root[index])]
        number = held_rows[other - own] if held_out is not None else subject.frame["row"][other]
        text = subject.frame["prompt"][index] or subject.frame["answer"][index] or ""
        examples.append(f"{subject.frame['row'][index]} ~ {number} (evaluation): {excerpt(text, 50)}")
    hit = len(np.unique(groups.root[held][np.isin(groups.root[held], groups.root[leaking])]))
    return subject.verdict(
        "leakage",
        "Data leakage into the evaluation set" + groups.told,
        "error" if held_out is not None else "warning",
        leaking,
        why=f"{hit:,} of {len(held):,} evaluation rows also appear (nearly) in the training rows, so scores "
        f"would be too high.",
        remedy="drop these training rows, or split with tuiftune data clean --split 80/10/10",
        examples=examples,
        partner=None
        if held_out is not None
        else np.array([partner[int(groups.root[index])] for index in leaking.tolist()], dtype=np.intp),
    )
