"""A dataset after reading: one frame, and how to walk it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuiftune.data import labels as labeled
from tuiftune.data.example import Example, Message
from tuiftune.data.read.malformed import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from tuiftune.data.detect.detect_format import Recognition

AT_ONCE = 4096
SPAN = 1 << 18  # rows of a frame that a piece is taken from

# A character that anybody would see: white space isn't, nor are zero-width characters or byte order marks.
SHOWN = r"[^\s\p{Cc}\p{Cf}]"

# Faults after which a row has nothing sound to train on. Others (a repeated role, a number) still train.
FATAL = (
    r"(^| )(missing:(answer|completion|output|label|text|chosen|rejected|messages|turns|prompt|instruction)"
    r"|empty:(answer|turn)|type:(messages|turn|history)|role:|media:|weight:)"
)


@dataclass(frozen=True)
class Dataset:
    """All rows in one form. `frame` has the columns of `convert.schema()`; `usable` marks rows that can be
    trained on.
    """

    recognition: Recognition
    frame: pl.DataFrame
    files: list[Path]
    source_columns: dict[str, str]  # name in the source → its type
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    malformed: Malformed = field(default_factory=Malformed)  # lines that are no rows, left out of `frame`
    system: str | None = None  # the user's own message, which goes before rows that have none
    # The key of its entry in the cache, where it is there; not that of a copy with other rows (`replace`).
    kept: str = field(default="", init=False)

    @property
    def format(self) -> str:
        return self.recognition.format

    @property
    def stage(self) -> str:
        """The key of the stage that such rows are for."""
        return self.recognition.stage

    @property
    def confidence(self) -> float:
        return self.recognition.confidence

    @property
    def evidence(self) -> list[str]:
        labels = [f"{labeled.told(*self.labels)} in total"] if self.format == "classification" else []
        return [*self.recognition.evidence, *labels, *self.notes]

    @property
    def labels(self) -> tuple[int, int]:
        """How many labels there are, and in how many spellings."""
        spelled = [str(one) for one in self.frame["label"].drop_nulls().unique() if str(one).strip()]
        return len({labeled.as_label(one) for one in spelled}), len(spelled)

    @property
    def columns(self) -> dict[str, str]:
        """Which column plays which role."""
        return self.recognition.columns

    @property
    def rows(self) -> int:
        """Rows read, those without anything to train on among them."""
        return self.frame.height

    @cached_property
    def usable(self) -> pl.Series:
        """A boolean a row: it has an answer (and a prompt where the format has one) and sound roles."""
        import polars as pl

        asks = self.format == "prompt-only"
        filled = pl.lit(True) if asks else pl.col("answer").str.contains(SHOWN).fill_null(False)
        if self.format == "preference":
            filled &= pl.col("rejected").str.contains(SHOWN).fill_null(False)
        if self.format != "text":
            filled &= pl.col("prompt").str.contains(SHOWN).fill_null(False)
        sound = ~pl.col("fault").str.contains(FATAL).fill_null(False)
        return self.frame.select(filled & sound).to_series()

    def examples(self) -> Iterator[Example]:
        """Every usable row, in order."""
        return self.at(self.usable.arg_true())

    def head(self, n: int) -> list[Example]:
        """The first n usable rows."""
        return list(self.at(self.usable.arg_true().head(n)))

    def at(self, indices: Any) -> Iterator[Example]:
        """The rows at these positions of the frame, as examples."""
        names = [str(path) for path in self.files]
        for piece in self.pieces(indices):
            for row in piece.iter_rows(named=True):
                yield example_of(row, self.format, names)

    def pieces(self, indices: Any) -> Iterator[pl.DataFrame]:
        """The rows at these positions, at most 4,096 at once, from no more of the frame than they lie in: of
        a frame of many pieces polars would copy whole columns.
        """
        import numpy as np

        chosen = np.asarray(indices, dtype=np.int64)
        for start in range(0, len(chosen), AT_ONCE):
            window = chosen[start : start + AT_ONCE]
            while len(window):
                low = int(window.min())
                inside = int(np.argmax(window >= low + SPAN)) if window.max() >= low + SPAN else len(window)
                inside = inside or len(window)  # the first lies beyond: they are in no order
                part, window = window[:inside], window[inside:]
                low = int(part.min())
                yield self.frame.slice(low, int(part.max()) - low + 1)[part - low]

    def place(self, index: int) -> str:
        """file:row of a position in the frame."""
        row = self.frame.row(index, named=True)
        return f"{self.files[row['file']]}:{row['row']}"


def example_of(row: dict[str, Any], format: str, names: list[str]) -> Example:  # noqa: A002 - as in `load`
    """A row of a frame as an example; `names` are the files."""
    where = {"row": row["row"], "file": names[row["file"]]}
    if format == "text":
        return Example(text=row["answer"], **where)
    messages = [Message("system", row["system"])] if row["system"] else []
    if row["messages"] is not None:
        messages += _turns(row["messages"]) or ()
    else:
        messages.append(Message("user", row["prompt"] or ""))
        if format not in ("preference", "prompt-only"):
            messages.append(Message("assistant", row["answer"] or ""))
    if format == "preference":
        return Example(
            tuple(messages),
            chosen=row["answer"],
            rejected=row["rejected"],
            chosen_turns=_turns(row["answer_turns"]),
            rejected_turns=_turns(row["rejected_turns"]),
            **where,
        )
    return Example(tuple(messages), label=row["label"], **where)


def _turns(held: list[dict[str, Any]] | None) -> tuple[Message, ...] | None:
    return tuple(Message(turn["role"], turn["content"], turn["weight"]) for turn in held) if held else None
