"""Perplexity of the reference answers: exp of the mean loss a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.evaluate import statistics
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.evaluate.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part


def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return nats and tokens of each row whose likelihood was measured."""
    del argument
    return [None if pair.nats is None else (pair.nats, float(pair.tokens)) for pair in pairs]


def combine(sums: Sequence[float]) -> float:
    """Return exp of nats a token."""
    return statistics.perplexity(sums[0] / sums[1])


PERPLEXITY = Scorer(
    key="perplexity",
    order=80,
    name="perplexity",
    does="exp of the mean loss a token of the references; compares models with the same tokenizer only",
    kind="sums",
    parts=parts,
    combine=combine,
    better="lower",
    unit="",
    tasks=frozenset(KINDS),
    packages=("scipy",),
    losses=True,
)
