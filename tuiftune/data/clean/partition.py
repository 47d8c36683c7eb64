"""Splits without leakage: near-duplicates stay together, labels keep their shares."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuiftune.data.checks.near import Compared, Groups
from tuiftune.data.mix.split import choose, prompt_keys
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset

NAMES = ("train", "validation", "test")


def parse_shares(text: str, place: str = "--split") -> list[float]:
    """`80/10/10` or `90/10` as shares that sum to 1. Raises UserError."""
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if not 2 <= len(parts) <= 3 or not all(0 < part < math.inf for part in parts) or math.isinf(sum(parts)):
        raise UserError(f"{text} is not a valid split", place=place, remedy="write 80/10/10 or 90/10")
    return [part / sum(parts) for part in parts]


class Parts(NamedTuple):
    """The rows of each split, in order, and how many rows were compared for near-duplicates."""

    rows: list[NDArray[np.intp]]
    compared: int


def partition(
    dataset: Dataset,
    rows: NDArray[np.intp],
    shares: list[float],
    seed: int,
    watch: Callable[[float], None] | None = None,
) -> Parts:
    """Split rows by shares. Rows alike (Jaccard ≥ 0.7, or equal prompts) never part; of more text than is
    compared, a part of the rows is.
    """
    groups = Groups(Compared([dataset], rows), watch)
    keys = prompt_keys(dataset, rows, seed)
    together = _joined(groups.root, keys)
    # The key of a group is that of its smallest prompt key: content decides, not order.
    lowest = np.full(len(rows), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(lowest, together, keys)
    group_keys = lowest[together]
    labels = dataset.frame["label"].gather(rows).fill_null("").to_list()
    stratified = dataset.format in ("classification", "kto")
    left = np.arange(len(rows))
    out: list[NDArray[np.intp]] = []
    rest = 1.0
    for number, share in enumerate(reversed(shares[1:])):
        salted = _salted(group_keys[left], number)
        held = choose(salted, share / rest, [labels[index] for index in left] if stratified else None)
        out.append(rows[left[held]])
        left, rest = left[~held], rest - share
    return Parts([rows[left], *reversed(out)], groups.searched or len(rows))


def _joined(root: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Groups that also hold rows with equal prompts together."""
    from tuiftune.data.similar.near import clusters

    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    positions = np.arange(len(root))
    pairs = np.concatenate(
        (np.stack((positions, root), axis=1), np.stack((positions, first[inverse]), axis=1))
    )
    return clusters(pairs, len(root))


def _salted(keys: NDArray[np.uint64], number: int) -> NDArray[np.uint64]:
    digest = int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=8).digest(), "little")
    return (keys ^ np.uint64(digest)) * np.uint64(0x9E3779B97F4A7C15)
