"""Held-out rows that training saw, or nearly so: what a score on them says too much about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.example import Example
    from tuiftune.data.picked import Picked

END, TAIL = 16, 96  # characters without spaces by which rows are told apart, and those that hold them
SPACE = r"[\s\x1c-\x1f]"  # what `str.split` leaves out
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

    if isinstance(training, Sequence) and len(training) > MOST_ROWS:
        found = _equal_of_many_once(training, held_out)
        if found is not None:
            return found
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


def _equal_of_many_once(training: Sequence[Example], held_out: Sequence[Example]) -> Twins | None:
    """`_equal_of_many`, of rows in the cache once."""
    from tuiftune.data.picked import Picked
    from tuiftune.data.read.kept import held_by

    entry = None
    if isinstance(training, Picked) and isinstance(held_out, Picked) and training.side and held_out.side:
        entry = held_by(training.dataset, "twins", training.side, held_out.side, held_out.dataset.kept)
    if entry is None:
        return _equal_of_many(training, held_out)
    try:
        document = entry.document()
        if document is not None:
            return Twins(**document)
        found = _equal_of_many(training, held_out)
        if found is not None:
            entry.seal(found.document(), [])
        return found
    finally:
        entry.close()


def _equal_of_many(training: Sequence[Example], held_out: Sequence[Example]) -> Twins | None:
    """`twins` by a hash of each text; None where too few of them differ for equal ones alone to be found."""
    import numpy as np

    from tuiftune.data.picked import Picked

    told = f"equal rows alone, as there are more than {MOST_ROWS:,}"
    if isinstance(training, Picked) and isinstance(held_out, Picked) and len(held_out):
        ends, wanted = _ends(training), np.unique(_ends(held_out))
        if len(np.unique(ends)) > MOST_ROWS:  # then so many texts differ
            training = Picked(training.dataset, training.indices[np.isin(ends, wanted)])
            equal = int(np.isin(_hashes(held_out), _hashes(training)).sum())
            return Twins(len(held_out), equal, 0, told)
    seen, held = _hashes(training), _hashes(held_out)
    distinct = np.unique(seen)
    known = np.isin(held, distinct)
    if len(distinct) + len(np.unique(held[~known])) <= MOST_ROWS or not len(held):
        return None
    return Twins(len(held), int(known.sum()), 0, told)


def _ends(rows: Picked) -> NDArray[np.uint64]:
    """A hash of the last characters of each row's text, equal where the texts are: by whole columns, as ten
    million rows take minutes to be made one by one. 0 where they say too little.
    """
    import numpy as np
    import polars as pl

    def tail(name: str) -> pl.Expr:
        return pl.col(name).fill_null("").str.strip_chars_end().str.tail(TAIL)

    answer = pl.when(pl.col("label").is_null()).then(tail("answer")).otherwise(pl.lit(""))
    end = pl.concat_str(tail("prompt"), answer).str.to_lowercase().str.replace_all(SPACE, "").str.tail(END)
    muted = pl.col("messages").list.last().struct.field("weight").eq(0).fill_null(False)
    known = (end.str.len_chars() == END) & ~muted
    hashed = pl.when(known).then(end.hash()).otherwise(0)
    pieces = [piece.select(hashed).to_series().to_numpy() for piece in rows.dataset.pieces(rows.indices)]
    return np.concatenate(pieces) if pieces else np.array([], dtype=np.uint64)


def _hashes(examples: Iterable[Example]) -> NDArray[np.uint64]:
    import numpy as np

    raw = bytearray()
    for example in examples:
        raw += hashlib.blake2b(_text(example).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.frombuffer(bytes(raw), dtype=np.uint64)


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
