"""Near-identical labels of a dataset, such as LOGIN and login: what they are, and what merging them does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.data.excerpt import excerpt
from tuiftune.figures import plural

if TYPE_CHECKING:
    from tuiftune.data.dataset import Dataset

NAMED = 3  # pairs that are named; more are counted
MERGE = {"labels": "merge"}  # of the options of cleaning
ASKS = "Merge near-identical labels?"


@dataclass(frozen=True, slots=True)
class Similar:
    """Labels that are nearly the same: (label to use, spelling), and how many rows have such a spelling."""

    pairs: tuple[tuple[str, str], ...] = ()
    rows: int = 0

    def __str__(self) -> str:
        named = ", ".join(
            f'"{excerpt(use, 24)}" and "{excerpt(other, 24)}"' for use, other in self.pairs[:NAMED]
        )
        more = f" and {len(self.pairs) - NAMED} more" if len(self.pairs) > NAMED else ""
        count, verb = plural(self.rows, "row"), "has" if self.rows == 1 else "have"
        return (
            f"{named}{more}: {count} {verb} the rarer spelling. The model would have to guess which one is "
            "meant, and exact match counts the other one as wrong."
        )


def similar(dataset: Dataset) -> Similar:
    """Return the near-identical labels of rows with labels; nothing for other rows."""
    import polars as pl

    from tuiftune.data.checks.check import Subject
    from tuiftune.data.checks.labels import label_counts
    from tuiftune.data.clean.labels import spellings

    if dataset.format != "classification":
        return Similar()
    use = spellings(label_counts(Subject(dataset)))
    rows = dataset.frame.select(pl.col("label").is_in(list(use)).fill_null(False).sum()).item() if use else 0
    return Similar(tuple((kept, other) for other, kept in use.items()), int(rows))
