"""Agreement of annotators on the same rows: Krippendorff's alpha, pair by pair, and rows to label again.

Source: K. Krippendorff, Content Analysis, 2004, chapter 11; by the library of that name.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.errors import UserError
from tuiftune.evaluate import extras

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Level = Literal["nominal", "ordinal", "interval"]
LEVELS = ("nominal", "ordinal", "interval")
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff 2004, page 241
ANNOTATOR = re.compile(r"(?:annotator|rater|coder|labeler|judge|reviewer|label)[ _-]?(?:\d+|[a-z])$", re.I)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators agree.

    Attributes:
        columns: one an annotator.
        rows: those that two or more have labeled.
        alpha: 1 is full agreement, 0 that of chance; None if all gave one label, which tells nothing.
        share: of the rows on which all who labeled them agree.
        pairs: (same, both labeled) by two columns.
        disputed: positions of the rows they do not agree on, most disagreement first.
    """

    columns: tuple[str, ...]
    level: Level
    rows: int
    alpha: float | None
    share: float
    pairs: dict[tuple[str, str], tuple[int, int]]
    disputed: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints; rows are counted from 1."""
        pairs = [
            {"first": a, "second": b, "same": same, "rows": rows}
            for (a, b), (same, rows) in self.pairs.items()
        ]
        return {
            "columns": list(self.columns),
            "level": self.level,
            "rows": self.rows,
            "alpha": self.alpha,
            "share_agreed": self.share,
            "pairs": pairs,
            "disputed_rows": [at + 1 for at in self.disputed],
        }

    @property
    def sentences(self) -> list[str]:
        """Return what it means."""
        told = [f"{len(self.columns)} annotators agree on {self.share:.1%} of {self.rows:,} rows."]
        if self.alpha is None:
            told.append("Krippendorff's alpha is not known: all labels are the same.")
        else:
            means = (
                "reliable (0.8 or more)"
                if self.alpha >= RELIABLE
                else "good enough for tentative conclusions (0.667 to 0.8)"
                if self.alpha >= TENTATIVE
                else "too low to train on without a better guideline (below 0.667)"
            )
            told.append(f"Krippendorff's alpha {self.alpha:.3f} ({self.level}): {means}.")
        for (a, b), (same, rows) in self.pairs.items():
            if rows:
                told.append(f"{a} and {b}: {same} of {rows} rows the same.")
        return told


def columns_in(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns that are named as annotators' are: annotator_1, rater b, label2."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if ANNOTATOR.fullmatch(name)]


def measure(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], level: Level = "nominal") -> Agreement:
    """Return the agreement of columns.

    Raises:
        UserError: for fewer than two columns, one that is not there, no row that two have labeled, or labels
            that are no numbers where the level needs them.
    """
    there = {name for row in rows for name in row}
    if len(columns) < 2:
        raise UserError(
            "needs two columns or more", place="--columns", remedy="name the annotators' columns: A,B"
        )
    for name in columns:
        if name not in there:
            raise UserError(
                f"no column {name!r}", place="--columns", remedy=f"use {', '.join(sorted(there))}"
            )
    told = [[_label(row.get(name)) for name in columns] for row in rows]
    several = [at for at, labels in enumerate(told) if sum(one is not None for one in labels) > 1]
    if not several:
        raise UserError("no row has labels of two annotators", place=", ".join(columns))
    pairs = {}
    for a, b in combinations(range(len(columns)), 2):
        both = [(row[a], row[b]) for row in told if row[a] is not None and row[b] is not None]
        pairs[columns[a], columns[b]] = (sum(one == other for one, other in both), len(both))
    spread = {at: len(given) - max(Counter(given).values()) for at in several if (given := _given(told[at]))}
    disputed = sorted((at for at in several if spread[at]), key=lambda at: -spread[at])
    return Agreement(
        tuple(columns),
        level,
        len(several),
        _alpha(told, level),
        1 - len(disputed) / len(several),
        pairs,
        tuple(disputed),
    )


def majority(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows with the label that more than half of their annotators gave, without their columns.
    Rows without such a label are left out.
    """
    found = []
    for row in rows:
        given = _given([_label(row.get(name)) for name in columns])
        label, many = Counter(given).most_common(1)[0] if given else ("", 0)
        if many * 2 > len(given):
            kept = {key: value for key, value in row.items() if key not in columns}
            found.append({**kept, "label": label, "annotators": len(given), "agreed": many})
    return found


def _given(labels: Sequence[str | None]) -> list[str]:
    return [one for one in labels if one is not None]


def _label(value: Any) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _alpha(told: Sequence[Sequence[str | None]], level: Level) -> float | None:
    every = sorted({one for row in told for one in row if one is not None})
    if len(every) < 2:
        return None
    import numpy as np

    if level == "nominal":
        numbers = {one: float(at) for at, one in enumerate(every)}
    else:
        try:
            numbers = {one: float(one) for one in every}
        except ValueError as fault:
            raise UserError(
                f"labels are not numbers: {fault}", place="--level", remedy="use --level nominal"
            ) from None
    table = [
        [np.nan if one is None else numbers[one] for one in column] for column in zip(*told, strict=True)
    ]
    library = extras.need("krippendorff", "agreement of annotators")
    return float(library.alpha(reliability_data=table, level_of_measurement=level))
