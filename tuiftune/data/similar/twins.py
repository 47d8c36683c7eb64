"""Held-out rows that training saw, or nearly so: what a score on them says too much about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuiftune.data.example import Example

MOST_ROWS = 300_000  # that are searched for near-duplicates; of more, equal ones alone are found


@dataclass(frozen=True, slots=True)
class Twins:
    """Of `held_out` rows so many have an equal one in training (`equal`); so many others only a `near` one.

    `searched`: what was looked for, in words.
    """

    held_out: int
    equal: int
    near: int
    searched: str

    @property
    def rows(self) -> int:
        return self.equal + self.near

    def document(self) -> dict[str, Any]:
        """For plan.json and result.json."""
        return asdict(self)


def twins(training: Iterable[Example], held_out: Sequence[Example]) -> Twins:
    """Rows are alike where prompt and answer are, but for case and space, or share 70 % of their 3-word
    phrases; rows with a label where their text is."""
    import polars as pl

    from tuiftune.data.similar.near import near_pairs

    seen = {_text(example): None for example in training}
    held = [_text(example) for example in held_out]
    equal = sum(text in seen for text in held)
    if not held or not seen:
        return Twins(len(held), equal, 0, "equal and near rows")
    others = list({text: None for text in held if text not in seen})
    if len(seen) + len(others) > MOST_ROWS:
        return Twins(len(held), equal, 0, f"equal rows alone, as there are more than {MOST_ROWS:,}")
    texts = pl.Series([*seen, *others], dtype=pl.String)
    close = {texts[int(max(pair))] for pair in near_pairs(texts).pairs if min(pair) < len(seen) <= max(pair)}
    return Twins(len(held), equal, sum(text in close for text in held), "equal and near rows")


def leakage_told(found: Mapping[str, Any]) -> str:
    """One sentence of a document of `Twins`; "" where there are none, or it says nothing."""
    rows, near, of = (found.get(key) for key in ("equal", "near", "held_out"))
    if not (isinstance(rows, int) and isinstance(near, int) and isinstance(of, int)) or rows + near <= 0:
        return ""
    return (
        f"{rows + near:,} of {of:,} evaluation rows are also in the training rows "
        f"({rows:,} equal, {near:,} nearly): scores would be lower on new rows"
    )


def _text(example: Example) -> str:
    """What makes rows alike, in lower case and single spaces."""
    if example.text is not None:
        return " ".join(example.text.lower().split())
    parts = [message.content for message in example.prompt]
    if example.label is None:
        parts.append(example.reference)
    return " ".join("\n".join(parts).lower().split())
