"""Classification: balance, rare labels, and labels that are probably one."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.excerpt import excerpt
from tuiftune.data.labels import counted, spellings, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Check, Subject

RARE = 5  # rows below which a label can neither be learned nor measured
UNEVEN = 0.8  # evenness (entropy over its maximum) below which balance is called skewed


def label_counts(subject: Subject) -> list[tuple[str, int]]:
    """Spellings of labels and their rows, most frequent first, ties by name."""
    found = (
        subject.frame["label"]
        .drop_nulls()
        .value_counts(sort=True)
        .sort(["count", "label"], descending=[True, False])
    )
    return [(str(label), int(count)) for label, count in found.iter_rows() if str(label).strip()]


def labels(subject: Subject) -> Iterator[Check]:
    """label-balance, rare-labels, similar-labels."""
    spelled = label_counts(subject)
    if not spelled:
        return
    counts = counted(spelled)
    usual = spellings(dict(spelled))
    total = sum(count for _, count in counts)
    top, most = counts[0]
    entropy = -sum(count / total * math.log(count / total) for _, count in counts)
    evenness = entropy / math.log(len(counts)) if len(counts) > 1 else 0.0
    skewed = evenness < UNEVEN
    yield subject.verdict(
        "label-balance",
        f"Label balance ({told(len(counts), len(spelled))})",
        "warning",
        subject.where(pl.col("label").is_in([one for one, use in usual.items() if use == top]))
        if skewed
        else np.empty(0, dtype=np.intp),
        why=f'"{excerpt(top, 40)}" is {most / total:.0%} of the rows. Always answering it '
        f"would score {most / total:.0%} accuracy.",
        remedy="add rows of other labels, drop some of this one, and compare F1 instead of accuracy",
        show="prompt",
    )
    few = {label for label, count in counts if count < RARE}
    rare = [one for one, use in usual.items() if use in few]
    yield subject.verdict(
        "rare-labels",
        f"Labels with fewer than {RARE} rows",
        "warning",
        _with(subject, rare),
        why="Too few to learn, and the evaluation set may have none: "
        + ", ".join(f"{excerpt(label, 30)} ({count})" for label, count in counts if count < RARE)[:200],
        remedy="collect more, or merge them into a broader label",
        show="prompt",
    )
    pairs = similar_labels(spelled)
    fewer = {right for _, right in pairs}
    yield subject.verdict(
        "similar-labels",
        "Nearly identical labels",
        "warning",
        _with(subject, list(fewer)),
        why="The model must guess the spelling, and exact match counts the other one as wrong. Accuracy and "
        "F1 take spellings that differ only in case or punctuation as one label, others as different labels.",
        remedy="use one spelling",
        examples=[f"{excerpt(left, 36)} ~ {excerpt(right, 36)}" for left, right in pairs[:3]],
    )


def _with(subject: Subject, spelled: list[str]) -> NDArray[np.intp]:
    return subject.where(pl.col("label").is_in(spelled)) if spelled else np.empty(0, dtype=np.intp)


def similar_labels(counts: list[tuple[str, int]]) -> list[tuple[str, str]]:
    """(more frequent, rarer) pairs that differ in case, separators, plural, or one or two letters of a long
    word.
    """
    names = [label for label, _ in counts][:2000]
    pairs = []
    plain = [re.sub(r"[\W_]+", "", name.casefold()) for name in names]
    seen: dict[str, int] = {}
    for index, key in enumerate(plain):
        if key and key in seen:
            pairs.append((names[seen[key]], names[index]))
        else:
            seen[key] = index
    unique = sorted(seen.items(), key=lambda item: item[1])
    if len(unique) > 600:
        return pairs
    for place, (left, first) in enumerate(unique):
        for right, second in unique[place + 1 :]:
            if min(len(left), len(right)) < 5 or abs(len(left) - len(right)) > 2:
                continue
            allowed = 1 if min(len(left), len(right)) < 10 else 2
            if re.sub(r"\d", "", left) != left or re.sub(r"\d", "", right) != right:
                continue  # class_1 and class_2 are meant to differ by a digit
            if _distance(left, right, allowed) <= allowed:
                pairs.append((names[first], names[second]))
    return pairs


def _distance(left: str, right: str, limit: int) -> int:
    """Edits between two words, neighbors swapped being one; limit + 1 when there are more."""
    before2: list[int] = []
    before = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before2[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before2, before = before, row
    return before[-1]
