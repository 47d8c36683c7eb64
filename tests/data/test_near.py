"""Near-duplicates against the exact join, pair by pair."""

import random
import re
from itertools import combinations

import polars as pl
import pytest
import seeded

from tuiftune.data.similar.near import clusters, near_pairs


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < 3:
        return frozenset([tuple(words)]) if words else frozenset()
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def exact(texts: list[str], threshold: float = 0.7) -> set[tuple[int, int]]:
    """The join by definition, over pairs that share a shingle at all."""
    sets = [shingles(text) for text in texts]
    having: dict[tuple[str, ...], list[int]] = {}
    for index, found in enumerate(sets):
        for shingle in found:
            having.setdefault(shingle, []).append(index)
    seen = {pair for rows in having.values() for pair in combinations(rows, 2)}
    return {(a, b) for a, b in seen if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= threshold}


def spoilt(rng: random.Random, count: int) -> list[str]:
    """Texts with copies at every distance around the threshold, short ones, empty ones and other scripts."""
    texts = [" ".join(seeded.sentence(rng) for _ in range(rng.randint(1, 5))) for _ in range(count)]
    for index in range(0, count, 3):
        words = texts[index].split(" ")
        for _ in range(rng.randint(0, max(1, len(words) // 8))):
            words[rng.randrange(len(words))] = rng.choice(seeded.NOUNS)
        texts.append(" ".join(words))
    texts += [
        "Yes.",
        "yes",
        "Thank you",
        "thank you!",
        "",
        " … ",
        "ein  Öl-Tank für Übung",
        "Ein Öl Tank für Übung",
    ]
    texts += ["It’s “fine” — really, quite fine", "it s fine really quite fine"]
    rng.shuffle(texts)
    return texts


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_the_exact_join(seed: int) -> None:
    texts = spoilt(random.Random(seed), 500)
    found = near_pairs(pl.Series("text", texts))
    assert found.complete
    assert {(int(a), int(b)) for a, b in found.pairs} == exact(texts)


def test_short_messages_agree_with_the_exact_join() -> None:
    """Customer messages of few words, where one word more or less decides."""
    rng = random.Random(77)
    asks = ("how do i", "why can't i", "when will you", "i want to", "please", "can you help me")
    does = ("track", "cancel", "activate", "replace", "top up", "freeze", "order", "change")
    whats = ("my card", "a transfer", "the payment", "my new card", "my account", "a cash withdrawal")
    ends = ("", "?", " today?", " before the weekend", " from abroad", " as soon as possible")
    texts = [
        " ".join(rng.choice(part) for part in (asks, does, whats)) + rng.choice(ends) for _ in range(1500)
    ]
    found = {(int(a), int(b)) for a, b in near_pairs(pl.Series("text", texts)).pairs}
    truth = exact(texts)
    assert len(truth) > 1000
    assert found == truth


def test_jaccard_is_told() -> None:
    found = near_pairs(pl.Series(["a b c d e f", "a b c d e g", "x y z"]), threshold=0.5)
    assert found.pairs.tolist() == [[0, 1]]
    assert found.jaccard[0] == pytest.approx(3 / 5)


def test_groups_are_connected_components() -> None:
    import numpy as np

    assert clusters(np.array([[4, 5], [1, 4], [2, 3]]), 7).tolist() == [0, 1, 2, 2, 1, 1, 6]
    chain = np.array([[index, index + 1] for index in range(999)])[::-1]
    assert set(clusters(chain, 1000).tolist()) == {0}


def test_very_many_alike_are_joined_without_comparing_them_all() -> None:
    rng = random.Random(1)
    alike = [
        f"the same long sentence over and over again with number {index} in the middle of it and a "
        f"few more words to "
        f"the end of the line, {rng.choice(seeded.NOUNS)}"
        for index in range(3000)
    ]
    others = [seeded.sentence(rng) for _ in range(300)]
    texts = alike + others
    found = near_pairs(pl.Series(texts))
    root = clusters(found.pairs, len(texts))
    assert not found.complete
    assert not found.stopped
    assert set(root[:3000].tolist()) == {0}
    assert len(set(root[3000:].tolist())) >= 295
