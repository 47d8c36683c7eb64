"""Labels: per-label precision, recall and F1, and the confusion matrix, as plain values."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.reasoning import without
from tuiftune.data.labels import as_label, spellings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

NO_LABEL = "(none of the labels)"


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label was told from the others. None if its basis is empty.

    Attributes:
        rows: rows whose reference it is; `answered`: rows that were given it.
    """

    label: str
    rows: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels by number of rows, most first, and `matrix[reference][answer]`, rows of each combination.

    The last column of the matrix counts answers that are none of the labels.
    """

    labels: tuple[LabelScore, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the headings of the matrix's columns."""
        return (*(one.label for one in self.labels), NO_LABEL)

    def confused(self, most: int = 5) -> list[tuple[str, str, int]]:
        """Return the most frequent mistakes as (reference, answer, rows)."""
        names = self.columns
        wrong = [
            (names[row], names[column], count)
            for row, counts in enumerate(self.matrix)
            for column, count in enumerate(counts)
            if count and row != column
        ]
        return sorted(wrong, key=lambda one: -one[2])[:most]

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "labels": [asdict(one) for one in self.labels],
            "columns": list(self.columns),
            "matrix": [list(row) for row in self.matrix],
        }


def of(pairs: Sequence[Pair]) -> Labels:
    """Return the scores of each label of the references, and the confusion matrix."""
    usual = spellings(Counter(without(pair.reference).strip() for pair in pairs))
    shown = {as_label(one): one for one in usual.values()}
    rows = Counter(as_label(pair.reference) for pair in pairs)
    order = sorted(rows, key=lambda label: (-rows[label], label))
    place = {label: index for index, label in enumerate(order)}
    matrix = [[0] * (len(order) + 1) for _ in order]
    for pair in pairs:
        matrix[place[as_label(pair.reference)]][place.get(as_label(pair.answer), len(order))] += 1
    scores = []
    for index, label in enumerate(order):
        right, answered = matrix[index][index], sum(row[index] for row in matrix)
        precision = right / answered if answered else None
        recall = right / rows[label]
        f1 = 2 * right / (answered + rows[label])
        scores.append(LabelScore(shown[label], rows[label], answered, precision, recall, f1))
    return Labels(tuple(scores), tuple(map(tuple, matrix)))


def counts_by_row(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return for each row, label after label: 1 if right, 1 if answered, 1 if it is the reference."""
    del argument
    known = sorted({as_label(pair.reference) for pair in pairs})
    place = {label: 3 * index for index, label in enumerate(known)}
    parts: list[Part | None] = []
    for pair in pairs:
        part = [0.0] * (3 * len(known))
        wanted, answered = as_label(pair.reference), as_label(pair.answer)
        part[place[wanted] + 2] = 1.0
        if answered in place:
            part[place[answered] + 1] = 1.0
            part[place[answered]] = float(answered == wanted)
        parts.append(tuple(part))
    return parts


def mean_f1(sums: Sequence[float]) -> float:
    """Return the mean F1 over the labels that are a reference in these rows."""
    each = [2 * sums[at] / (sums[at + 1] + sums[at + 2]) for at in range(0, len(sums), 3) if sums[at + 2] > 0]
    return sum(each) / len(each) if each else 0.0


def pooled_f1(sums: Sequence[float]) -> float:
    """Return F1 from right, answered and reference decisions over all labels."""
    right, answered, wanted = sum(sums[0::3]), sum(sums[1::3]), sum(sums[2::3])
    return 2 * right / (answered + wanted) if answered + wanted else 0.0
