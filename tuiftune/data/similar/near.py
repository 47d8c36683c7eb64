"""Near-duplicates: every pair of texts whose 3-word shingles overlap by Jaccard ≥ 0.7, found exactly.

Prefix filtering (Chaudhuri, Ganti, Kaushik 2006; Bayardo, Ma, Srikant 2007): with shingles ordered rarest
first, two sets with Jaccard ≥ t share one of their first n − ⌈t·n⌉ + 1 shingles. Most texts have that many
shingles that occur nowhere else, and drop out at once; the rest are compared in full. Nothing is sampled, so
precision and recall are 1 up to collisions of the hashes (about one in 10⁵ shingles at a million rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuiftune.data.similar.shingles import Shingler, Texts, chunks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

THRESHOLD = 0.7
MOST_PAIRS = 1_000_000  # candidate pairs; beyond, groups are joined first and only what is left is compared
_VERIFY = 200_000  # pairs compared at once
_PIECE = 1 << 22  # shingles handled at once, so that temporary arrays stay small


@dataclass(frozen=True, slots=True)
class NearPairs:
    """`pairs` (m, 2) positions, the smaller first, with their Jaccard index; `complete` unless stopped
    short.
    """

    pairs: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    complete: bool
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class _Sets:
    """Shingles that occur in two texts or more: text t has ids[bounds[t]:bounds[t + 1]], sorted."""

    bounds: NDArray[np.int64]
    ids: NDArray[np.uint32]
    frequency: NDArray[np.int64]  # of each id
    sizes: NDArray[np.int64]  # of each text's whole set


def near_pairs(
    texts: Texts, threshold: float = THRESHOLD, watch: Callable[[float], None] | None = None
) -> NearPairs:
    """All pairs of texts with Jaccard ≥ threshold. Texts without words match nothing.

    Time and memory follow the number of words (8 bytes each). `watch` is told the share done and may raise
    to cancel.
    """
    sets = _gather(texts, watch)
    entries = _prefixes(sets, threshold)
    total = int(entries.partners.sum())
    if total <= MOST_PAIRS:
        first, second = _pairs_of(entries, entries.partners)
        if watch:
            watch(0.8)
        pairs, jaccard = _verify(sets, first, second, threshold)
        return NearPairs(pairs, jaccard, True)
    return _connect(sets, entries, threshold, watch)


def _gather(texts: Texts, watch: Callable[[float], None] | None) -> _Sets:
    count = len(texts)
    bits = np.uint64(max(1, int(count - 1).bit_length()))
    shingler = Shingler()
    # One word a shingle: the hash above, the text below; sorting brings equal shingles together.
    keys = np.empty(1 << 20, dtype=np.uint64)
    filled = 0
    for start, piece in chunks(texts):
        hashes, owners = shingler.shingles(piece)
        hashes >>= bits
        hashes <<= bits
        hashes |= (owners + start).astype(np.uint64)
        if filled + len(hashes) > len(keys):
            keys.resize(max(len(keys) * 3 // 2, filled + len(hashes)), refcheck=False)
        keys[filled : filled + len(hashes)] = hashes
        filled += len(hashes)
        if watch:
            watch(0.5 * (start + len(piece)) / count)
    every = keys[:filled]
    every.sort()
    if watch:
        watch(0.6)
    every = every[: _without_repeats(every)]
    low = np.uint64((1 << int(bits)) - 1)
    sizes = np.zeros(count, dtype=np.int64)
    for at in range(0, len(every), _PIECE):
        sizes += np.bincount((every[at : at + _PIECE] & low).astype(np.int64), minlength=count)
    same = np.zeros(len(every) + 1, dtype=bool)  # same[i]: shingle i is that of i - 1
    for at in range(1, len(every), _PIECE):
        stop = min(at + _PIECE, len(every))
        same[at:stop] = (every[at:stop] ^ every[at - 1 : stop - 1]) <= low
    shared = same[:-1] | same[1:]
    begins = ~same[:-1][shared]
    packed = every[shared]
    del every, keys
    frequency = np.diff(np.append(np.flatnonzero(begins), len(begins)))
    ids = np.cumsum(begins, dtype=np.uint32)
    ids -= np.uint32(1)
    packed &= low
    packed <<= np.uint64(32)
    packed |= ids
    del ids, begins, shared, same
    packed.sort()
    bounds = np.searchsorted(packed, np.arange(count + 1, dtype=np.uint64) << np.uint64(32))
    return _Sets(bounds, packed.astype(np.uint32), frequency, sizes)


def _without_repeats(ordered: NDArray[np.uint64]) -> int:
    """Moves the distinct values of a sorted array to its front, in place and in pieces; returns how many."""
    kept = 0
    last: np.uint64 | None = None
    for at in range(0, len(ordered), _PIECE):
        piece = ordered[at : at + _PIECE]
        fresh = np.empty(len(piece), dtype=bool)
        fresh[0] = last is None or piece[0] != last
        np.not_equal(piece[1:], piece[:-1], out=fresh[1:])
        last = piece[-1]
        distinct = piece[fresh]
        ordered[kept : kept + len(distinct)] = distinct
        kept += len(distinct)
    return kept


@dataclass(frozen=True, slots=True)
class _Entries:
    """Prefix shingles, sorted by (shingle id, size of the text's set). Entry i may pair with the next
    `partners[i]`.
    """

    texts: NDArray[np.int64]
    ids: NDArray[np.int64]
    partners: NDArray[np.int64]


def _prefixes(sets: _Sets, threshold: float) -> _Entries:
    """Texts that share a prefix shingle, and whose sizes allow it, can reach the threshold."""
    held = np.diff(sets.bounds)  # shared shingles a text
    prefix = sets.sizes - np.ceil(threshold * sets.sizes - 1e-9).astype(np.int64) + 1
    room = prefix - (sets.sizes - held)  # how many shared shingles still belong to the prefix
    alive = np.flatnonzero((room > 0) & (held > 0))
    if not len(alive):
        nothing = np.empty(0, dtype=np.int64)
        return _Entries(nothing, nothing, nothing)
    texts = np.repeat(alive, held[alive])
    ids = sets.ids[_flat(sets.bounds, alive)].astype(np.int64)
    order = np.lexsort((ids, sets.frequency[ids], texts))
    texts, ids = texts[order], ids[order]
    starts = np.flatnonzero(np.concatenate(([True], texts[1:] != texts[:-1])))
    rank = np.arange(len(texts)) - np.repeat(starts, np.diff(np.concatenate((starts, [len(texts)]))))
    within = rank < room[texts]
    texts, ids = texts[within], ids[within]
    order = np.lexsort((texts, sets.sizes[texts], ids))
    texts, ids = texts[order], ids[order]
    size = sets.sizes[texts]
    span = int(size.max()) + 1
    bound = np.minimum(np.floor(size / threshold + 1e-9).astype(np.int64), span - 1)
    last = np.searchsorted(ids * span + size, ids * span + bound, side="right")
    return _Entries(texts, ids, last - np.arange(len(texts)) - 1)


def _pairs_of(entries: _Entries, partners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each entry with its next `partners`, every pair of texts once."""
    ends = np.cumsum(partners)
    count = int(ends[-1]) if len(ends) else 0
    left = np.repeat(np.arange(len(partners)), partners)
    right = left + 1 + np.arange(count) - np.repeat(ends - partners, partners)
    return _once(entries.texts[left], entries.texts[right])


def _once(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low, high = np.minimum(one, other).astype(np.uint64), np.maximum(one, other).astype(np.uint64)
    packed = np.unique(low << np.uint64(32) | high)
    return (packed >> np.uint64(32)).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _connect(
    sets: _Sets, entries: _Entries, threshold: float, watch: Callable[[float], None] | None
) -> NearPairs:
    """Enough pairs to join every group: neighbors first, then only what lies in different groups."""
    count = len(sets.sizes)
    root = np.arange(count)
    found: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []

    def compare(first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        nonlocal root
        apart = root[first] != root[second]
        pairs, jaccard = _verify(sets, first[apart], second[apart], threshold)
        found.append(pairs)
        values.append(jaccard)
        root = clusters(np.concatenate(found), count)

    starts = np.flatnonzero(np.concatenate(([True], entries.ids[1:] != entries.ids[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(entries.ids)])))
    partners = entries.partners
    for step, offset in enumerate((1, 2, 3, 5, 8, 13)):
        near = np.flatnonzero(partners >= offset)
        compare(*_once(entries.texts[near], entries.texts[near + offset]))
        groups = root[entries.texts]
        mixed = np.minimum.reduceat(groups, starts) != np.maximum.reduceat(groups, starts)
        partners = np.where(np.repeat(mixed, lengths), entries.partners, 0)
        if watch:
            watch(0.6 + 0.05 * step)
        if int(partners.sum()) <= MOST_PAIRS:
            break
    cheap = np.argsort(partners, kind="stable")  # small runs first: rare shingles, hence likely pairs
    allowed = np.zeros(len(partners), dtype=bool)
    allowed[cheap[: int(np.searchsorted(np.cumsum(partners[cheap]), MOST_PAIRS, side="right"))]] = True
    compare(*_pairs_of(entries, np.where(allowed, partners, 0)))
    pairs, jaccard = np.concatenate(found), np.concatenate(values)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return NearPairs(pairs[order], jaccard[order], False, not allowed.all())


def _verify(
    sets: _Sets, first: NDArray[np.int64], second: NDArray[np.int64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pairs that hold (m, 2), in order, and their Jaccard index."""
    kept = [np.empty((0, 2), dtype=np.int64)]
    values = [np.empty(0)]
    for start in range(0, len(first), _VERIFY):
        a, b = first[start : start + _VERIFY], second[start : start + _VERIFY]
        common = _common(sets, a, b)
        jaccard = common / (sets.sizes[a] + sets.sizes[b] - common)
        good = np.flatnonzero(jaccard >= threshold - 1e-12)
        kept.append(np.stack((a[good], b[good]), axis=1))
        values.append(jaccard[good])
    return np.concatenate(kept), np.concatenate(values)


def _flat(bounds: NDArray[np.int64], texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions of all shared shingles of these texts, one text after another."""
    lengths = bounds[texts + 1] - bounds[texts]
    ends = np.cumsum(lengths)
    flat: NDArray[np.int64] = np.arange(int(ends[-1])) + np.repeat(bounds[texts] - ends + lengths, lengths)
    return flat


def _common(sets: _Sets, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sizes of the intersections of pairs of sets."""
    width = np.uint64(max(1, len(sets.frequency).bit_length()))
    keys = []
    for side in (first, second):
        pair = np.repeat(np.arange(len(side), dtype=np.uint64), sets.bounds[side + 1] - sets.bounds[side])
        keys.append(pair << width | sets.ids[_flat(sets.bounds, side)])
    both = np.concatenate(keys)
    both.sort()
    twice = both[1:][both[1:] == both[:-1]] >> width
    return np.bincount(twice.astype(np.int64), minlength=len(first))


def clusters(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """For each of `count` texts the smallest position of its connected group (itself when alone)."""
    root = np.arange(count)
    if not len(pairs):
        return root
    while True:
        before = root.copy()
        low = np.minimum(root[pairs[:, 0]], root[pairs[:, 1]])
        np.minimum.at(root, pairs[:, 0], low)
        np.minimum.at(root, pairs[:, 1], low)
        np.minimum.at(root, before[pairs[:, 0]], low)
        np.minimum.at(root, before[pairs[:, 1]], low)
        root = root[root]
        if np.array_equal(root, before):
            return root
