"""Which rows go, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from tuiftune.data.checks.check import Subject
from tuiftune.data.checks.duplicates import duplicates
from tuiftune.data.checks.lengths import DEVIATIONS, TIMES, outliers
from tuiftune.data.checks.near import Compared, Groups
from tuiftune.data.clean.flagged import flagged
from tuiftune.data.clean.merge import Duplicates, alike, same_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset

Outliers = Literal["keep", "drop", "trim"]
MERGED = "merged: same prompt"
NEAR_MERGED = "merged: near-duplicate"


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows taken out for one reason. `partner` is the row that stays instead, for duplicates."""

    why: str
    indices: NDArray[np.intp]
    partner: NDArray[np.intp] | None = None


def removals(
    dataset: Dataset,
    *,
    near: bool = False,
    repeats: Duplicates = "drop",
    outlying: Outliers = "keep",
    drop: Sequence[str] = (),
    against: Dataset | None = None,
    watch: Callable[[str, float], None] | None = None,
) -> list[Removal]:
    """What goes, each row for the first reason that holds.

    Always: rows with nothing to train on, exact duplicates. On demand: what the checks in `drop` flag,
    near-duplicates (the first of each
    group stays), length outliers, rows that are (nearly) in `against`, an evaluation set. Where repeats are
    merged, rows that ask the same become one, and of near-duplicates the fullest stays, see `merge`.
    """
    gone = np.zeros(dataset.rows, dtype=bool)
    found: list[Removal] = []

    def take(why: str, indices: NDArray[np.intp], partner: NDArray[np.intp] | None = None) -> None:
        fresh = ~gone[indices]
        if fresh.any():
            found.append(Removal(why, indices[fresh], None if partner is None else partner[fresh]))
            gone[indices] = True

    take("no trained tokens", (~dataset.usable).arg_true().to_numpy().astype(np.intp))
    for check in flagged(dataset, drop):
        if check.indices is not None:
            take(f"flagged: {check.title}", check.indices)
    if repeats == "merge":  # every row has its say, those that say the same too
        asking_same = same_input(dataset, np.flatnonzero(~gone))
    repeated = next(check for check in duplicates(Subject(dataset)) if check.check == "exact-duplicates")
    if repeated.indices is not None:
        take("exact duplicate", repeated.indices, repeated.partner)
    if repeats == "merge":
        take("contradicting labels without a majority", asking_same.contradicting)
        take(MERGED, asking_same.indices, asking_same.partner)
    if near or against is not None:
        both = [dataset] if against is None else [dataset, against]
        groups = Groups(Compared(both), (lambda done: watch("near duplicates", done)) if watch else None)
        own = groups.root[: dataset.rows]
        if against is not None:
            held = np.unique(groups.root[dataset.rows :])
            take("also in the evaluation set" + groups.told, np.flatnonzero(np.isin(own, held)))
        if near:
            left = np.flatnonzero(~gone)
            if repeats == "merge":
                fullest = alike(dataset, left, own[left])
                take(NEAR_MERGED, fullest.indices, fullest.partner)
                left = left[:0]
            _, first, inverse = np.unique(own[left], return_index=True, return_inverse=True)
            stays = left[first[inverse]]
            twin = stays != left
            take("near-duplicate" + groups.told, left[twin], stays[twin])
    if outlying == "drop":
        strange = [outliers(sizes(dataset, part)) for part in _parts(dataset)]
        take("length outlier", np.union1d(*strange).astype(np.intp))
    return _followed(found)


def _followed(found: list[Removal]) -> list[Removal]:
    """The same, each partner being a row that stays: what a row was merged into may have gone after it."""
    pairs = [
        (removal.indices.tolist(), removal.partner.tolist())
        for removal in found
        if removal.partner is not None
    ]
    to = {gone: stays for indices, partners in pairs for gone, stays in zip(indices, partners, strict=True)}

    def end(index: int) -> int:
        while index in to:
            index = to[index]
        return index

    return [
        removal
        if removal.partner is None
        else replace(removal, partner=np.array([end(at) for at in removal.partner.tolist()], dtype=np.intp))
        for removal in found
    ]


def kept(dataset: Dataset, removed: list[Removal]) -> NDArray[np.intp]:
    """Positions of the rows that stay."""
    gone = np.concatenate([removal.indices for removal in removed]) if removed else np.empty(0, dtype=np.intp)
    return np.setdiff1d(np.arange(dataset.rows), gone)


def sizes(dataset: Dataset, part: str) -> NDArray[np.int64]:
    """Characters of a column."""
    return dataset.frame[part].str.len_chars().fill_null(0).to_numpy().astype(np.int64)


def _parts(dataset: Dataset) -> tuple[str, str]:
    if dataset.format == "text":
        return ("answer", "answer")
    return ("prompt", "prompt" if dataset.format == "classification" else "answer")


def trimmed(dataset: Dataset) -> tuple[Dataset, list[int]]:
    """Texts far longer than the others cut at the last sentence within bounds; chats lose their last turns
    first. Preferences and KTO rows with turns are left alone: what was judged must stay.
    """
    frame = dataset.frame
    touched: set[int] = set()
    for part in dict.fromkeys(_parts(dataset)):
        size = sizes(dataset, part)
        filled = size[size > 0]
        if not len(filled):
            continue
        middle = np.median(np.log(filled))
        spread = max(1.4826 * float(np.median(np.abs(np.log(filled) - middle))), 0.1)
        bound = int(np.exp(middle + max(DEVIATIONS * spread, np.log(TIMES))))
        single = frame["messages"].is_null().to_numpy()
        long = [index for index in outliers(size).tolist() if size[index] > bound and single[index]]
        if long:
            values = frame[part].to_list()
            for index in long:
                values[index] = cut(values[index], bound)
            frame = frame.with_columns(pl.Series(part, values, dtype=pl.String))
            touched.update(long)
        if dataset.format in ("chat", "sharegpt", "instruction"):
            chats = [index for index in outliers(size).tolist() if size[index] > bound and not single[index]]
            frame = _shorter_chats(frame, chats, part, bound)
            touched.update(chats)
    return (replace(dataset, frame=frame), sorted(touched)) if touched else (dataset, [])


def _shorter_chats(frame: pl.DataFrame, rows: list[int], part: str, bound: int) -> pl.DataFrame:
    if not rows:
        return frame
    columns = {name: frame[name].to_list() for name in ("messages", "prompt", "answer")}
    for index in rows:
        turns = shorter(columns["messages"][index], part, bound)
        said: dict[bool, list[str]] = {True: [], False: []}
        for turn in turns:
            said[turn["role"] == "assistant"].append(turn["content"])
        columns["messages"][index] = turns
        columns["answer"][index], columns["prompt"][index] = "\n".join(said[True]), "\n".join(said[False])
    return frame.with_columns(
        pl.Series(name, values, dtype=frame.schema[name]) for name, values in columns.items()
    )


def shorter(turns: list[dict[str, Any]], part: str, bound: int) -> list[dict[str, Any]]:
    """The chat with at most about `bound` characters of answers (or of the rest, for `prompt`): whole
    exchanges go from its end while one is left, then the longest turn of that part is cut.
    """
    left = list(turns)

    def of_part() -> list[int]:
        return [at for at, turn in enumerate(left) if (turn["role"] == "assistant") == (part == "answer")]

    def size() -> int:
        return sum(len(left[at]["content"]) for at in of_part())

    while size() > bound and sum(turn["role"] == "assistant" for turn in left) > 1:
        left.pop()
        while left[-1]["role"] != "assistant":
            left.pop()
    if size() > bound:
        longest = max(of_part(), key=lambda at: len(left[at]["content"]))
        text = left[longest]["content"]
        left[longest] = {**left[longest], "content": cut(text, max(1, bound - (size() - len(text))))}
    return left


def cut(text: str, bound: int) -> str:
    """The text up to its last sentence (or word) that ends within `bound` characters."""
    if len(text) <= bound:
        return text
    head = text[:bound]
    for mark in ("\n\n", ". ", "! ", "? ", "。", "\n", " "):
        at = head.rfind(mark)
        if at > bound // 2:
            return head[: at + len(mark)].rstrip()
    return head
