"""The finding of one check, and the data that every check reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.tokens import Lengths

Severity = Literal["error", "warning", "info", "ok"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info", "ok")
SHOWN_ROWS = 50
ROWS_AT_ONCE = 32_768  # of which polars holds what it makes of their text
SHOWN_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """`rows` are the first 50 row numbers in their file; `indices` all positions in the frame, `partner` the
    row that each of them is like, where it is like another.
    """

    check: str  # a stable name, e.g. exact-duplicates
    title: str
    severity: Severity
    count: int
    rows: tuple[int, ...] = ()
    places: tuple[str, ...] = ()  # file:row, where there are several files
    examples: tuple[str, ...] = ()  # escaped, one line each
    why: str = ""
    remedy: str = ""
    indices: NDArray[np.intp] | None = field(default=None, compare=False, repr=False)
    partner: NDArray[np.intp] | None = field(default=None, compare=False, repr=False)


@dataclass
class Subject:
    """A dataset under inspection. `watch(what, done)` is told of progress (the share of all checks that is
    done) and may raise to cancel.
    """

    dataset: Dataset
    tokenizer: Path | None = None
    max_length: int = 2048
    eval_spec: float | str = 0.05
    seed: int = 42
    watch: Callable[[str, float], None] | None = None
    _span: tuple[float, float] = field(default=(0.0, 1.0), init=False)
    _what: str = field(default="", init=False)

    @property
    def counted(self) -> bool:
        """Whether `lengths` are at hand."""
        return "lengths" in vars(self)

    @property
    def frame(self) -> pl.DataFrame:
        return self.dataset.frame

    @property
    def format(self) -> str:
        return self.dataset.format

    @cached_property
    def lengths(self) -> Lengths:
        """Token lengths of the usable rows (a sample where there are many)."""
        from tuiftune.data.tokens import COUNTED, lengths

        rows = max(1, min(COUNTED, self.dataset.rows))
        return lengths(
            self.dataset,
            self.tokenizer,
            watch=lambda done: self.progress("counting tokens", min(1.0, done / rows)),
        )

    @cached_property
    def eval_dataset(self) -> Dataset | None:
        """The evaluation file, where the split is a file of its own."""
        from tuiftune.data.mix.split import as_share, held_out_file

        return held_out_file(self.dataset, str(self.eval_spec)) if as_share(self.eval_spec) is None else None

    def progress(self, what: str, done: float) -> None:
        """Report the completed share of the present step to the caller; what that raises ends the
        inspection.
        """
        if self.watch:
            begins, ends = self._span
            self.watch(what, begins + done * (ends - begins))

    def begin(self, what: str, number: int, stages: int) -> None:
        """Go on to a stage, counted from 0."""
        self._span, self._what = (number / stages, (number + 1) / stages), what
        self.progress(what, 0.0)

    def told(self, done: float) -> None:
        """Report the share of one pass over the rows; a stage may take several."""
        self.progress(self._what, done)

    def where(self, condition: pl.Expr) -> NDArray[np.intp]:
        """Positions of the rows that satisfy a condition on themselves (null counts as no)."""
        import numpy as np

        found = self.each(where=condition.fill_null(False))["where"]
        return found.arg_true().to_numpy().astype(np.intp)

    def each(self, **expressions: pl.Expr) -> pl.DataFrame:
        """What expressions give of each row by itself. Of all rows at once polars would copy the text."""
        import polars as pl

        count = self.frame.height
        pieces = []
        for at in range(0, max(count, 1), ROWS_AT_ONCE):
            pieces.append(self.frame.slice(at, ROWS_AT_ONCE).select(**expressions))
            if count > ROWS_AT_ONCE:
                self.told(min(1.0, (at + ROWS_AT_ONCE) / count))
        return pl.concat(pieces)

    def rows_at(self, indices: NDArray[np.intp]) -> pl.DataFrame:
        """Some rows, without copying columns of a frame of many pieces."""
        import polars as pl

        return pl.concat([self.frame.clear(), *self.dataset.pieces(indices)])

    def verdict(
        self,
        check: str,
        title: str,
        severity: Severity,
        indices: NDArray[np.intp],
        *,
        why: str,
        remedy: str,
        examples: Iterable[str] | None = None,
        show: str = "answer",
        partner: NDArray[np.intp] | None = None,
    ) -> Check:
        """A check with its rows and examples; `ok` when no row is concerned. `show` is the column quoted."""
        if not len(indices):
            return Check(check, title, "ok", 0, indices=indices)
        first = self.rows_at(indices[:SHOWN_ROWS])
        rows = tuple(first["row"].to_list())
        names = [str(path) for path in self.dataset.files]
        places: tuple[str, ...] = ()
        if len(names) > 1:
            places = tuple(f"{names[file]}:{row}" for file, row in zip(first["file"], rows, strict=True))
        if examples is None:
            texts = first[show].head(SHOWN_EXAMPLES).to_list()
            examples = [
                f"{row}: {excerpt(text or '(nothing)')}" for row, text in zip(rows, texts, strict=False)
            ]
        return Check(
            check, title, severity, len(indices), rows, places, tuple(examples), why, remedy, indices, partner
        )
