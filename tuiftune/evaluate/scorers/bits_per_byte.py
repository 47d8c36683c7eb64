"""Bits per byte of the reference answers: a loss that compares models with different tokenizers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.evaluate.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part


def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return nats and UTF-8 bytes of each row whose likelihood was measured."""
    del argument
    return [
        None if pair.nats is None else (pair.nats, float(pair.bytes or len(pair.reference.encode()) or 1))
        for pair in pairs
    ]


def combine(sums: Sequence[float]) -> float:
    """Return bits a byte."""
    return sums[0] / math.log(2) / sums[1]


BITS_PER_BYTE = Scorer(
    key="bits_per_byte",
    order=81,
    name="bits per byte",
    does="mean loss of the references in bits a byte; compares models with different tokenizers",
    kind="sums",
    parts=parts,
    combine=combine,
    better="lower",
    unit="bits",
    tasks=frozenset(KINDS),
    packages=("scipy",),
    losses=True,
    source="Gao et al. 2020, The Pile, arXiv:2101.00027",
)
