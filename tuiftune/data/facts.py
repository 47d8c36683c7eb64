"""What the plan needs to know of a dataset: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.data.mix.sources import Portion
    from tuiftune.data.similar.twins import Twins


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Rows that are trained on, and their lengths in tokens, template included, before any truncation.

    `quantiles` are the lengths at 0, 5, …, 100 per cent (21 numbers). `basis` says in words whether they were
    counted with the model's tokenizer or estimated from characters. `portions` are what each source adds to
    an epoch, the training data first; empty where nothing is mixed in.
    """

    rows: int
    rows_eval: int
    mean_length: float
    longest: int
    quantiles: tuple[int, ...]
    basis: str
    format: str  # classification, prompt-completion, chat, text …
    labels: int | None = None  # distinct labels, for classification
    portions: tuple[Portion, ...] = ()
    tokens: tuple[
        int, ...
    ] = ()  # of each portion in an epoch, within data.max_length where rows are truncated
    shared: int = 0  # rows mixed in that an earlier source has too
    longest_answer: int | None = None  # tokens of the longest held-out answer; None: nothing has one
    around_answer: int = 0  # most tokens that stand around a held-out answer: reasoning, the template's marks
    test: Twins | None = None  # the rows of data.test, and how many of them the others have too
    answered: bool = True  # some of the first rows have a reference answer
    reward: str = ""  # that could check the reference answers; "" if none
    dropped: int = 0  # rows that keep no trained token within data.max_length, estimated where there are many
    equal: int = 0  # comparisons of two equal answers, which are not trained on
    late: float = 0.0  # share of the rows that reason after the template has closed the reasoning
    longest_rows: tuple[int, ...] = ()  # lengths of the longest rows, longest first; empty: not looked at
