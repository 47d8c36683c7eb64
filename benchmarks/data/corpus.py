"""An Alpaca-like corpus made from a seed: 560 bytes a row on average, Zipf words, stock phrases, planted
near-duplicates.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

OPENINGS = (
    "Write a short story about",
    "Explain in detail how",
    "Give three examples of",
    "Summarise the text about",
    "What is the difference between",
    "Create a list of",
    "Describe the process of",
    "Rewrite the sentence about",
)
LINKS = (
    "on the other hand",
    "in order to",
    "as a result of",
    "one of the most",
    "it is important to",
    "at the same time",
    "for example in the",
)


def vocabulary(rng: np.random.Generator, size: int = 30_000) -> np.ndarray:
    """Made-up words of 2 to 12 letters, the frequent ones short."""
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words: dict[str, None] = {}
    while len(words) < size:
        length = min(12, 2 + int(len(words) ** 0.17) + int(rng.integers(0, 4)))
        words["".join(rng.choice(letters[: 8 + len(words) // 2000], length))] = None
    return np.array(list(words), dtype=object)


def rows(count: int, seed: int = 0, near: float = 0.05) -> list[dict[str, str]]:
    """Instruction rows; a share `near` are copies of earlier rows with some words changed (Jaccard around
    0.7).
    """
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    weight = 1 / np.arange(1, len(words) + 1) ** 1.1
    cumulative = np.cumsum(weight / weight.sum())
    made: list[dict[str, str]] = []
    lengths = np.clip(rng.lognormal(4.1, 0.75, count), 8, 600).astype(int)
    for index in range(count):
        if made and rng.random() < near:
            base = made[int(rng.integers(len(made)))]
            made.append({**base, "output": _changed(base["output"], rng, words)})
            continue
        draw = lambda n: words[np.searchsorted(cumulative, rng.random(n))].tolist()  # noqa: E731
        body = draw(int(lengths[index]))
        for place in range(15, len(body), 25):
            body[place] = LINKS[int(rng.integers(len(LINKS)))]
        ask = f"{OPENINGS[int(rng.integers(len(OPENINGS)))]} {' '.join(draw(8))}."
        extra = " ".join(draw(12)) if rng.random() < 0.4 else ""
        made.append({"instruction": ask, "input": extra, "output": " ".join(body).capitalize() + "."})
    return made


def _changed(text: str, rng: np.random.Generator, words: np.ndarray) -> str:
    parts = text.split(" ")
    for place in rng.integers(0, len(parts), max(1, int(len(parts) * rng.uniform(0, 0.09)))):
        parts[place] = str(words[int(rng.integers(len(words)))])
    return " ".join(parts)


def write(path: Path, count: int, seed: int = 0) -> Path:
    """The corpus as JSONL."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows(count, seed):
            file.write(json.dumps(row) + "\n")
    return path


def write_many(
    path: Path, count: int, words_a_row: int = 20, *, text: bool = False, numbers: float = 0.0, seed: int = 0
) -> Path:
    """Many rows quickly, without near-duplicates: short questions and answers, or plain `text`; half to one
    and a half times so many Zipf words each, of which a share of `numbers` is numbers below 1,000.
    """
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    weight = 1 / np.arange(1, len(words) + 1) ** 1.1
    weight /= weight.sum()
    if numbers:
        words = np.concatenate([words, np.arange(1000).astype(str).astype(object)])
        weight = np.concatenate([weight * (1 - numbers), np.full(1000, numbers / 1000)])
    cumulative = np.cumsum(weight)
    with path.open("w", encoding="ascii") as file:
        for begin in range(0, count, at_once := max(1, 2_000_000 // words_a_row)):
            lengths = rng.integers(words_a_row // 2, words_a_row * 3 // 2, min(at_once, count - begin))
            drawn = words[np.searchsorted(cumulative, rng.random(int(lengths.sum())))].tolist()
            at = 0
            lines = []
            for number, length in enumerate(lengths.tolist(), begin):
                own = drawn[at : at + length]
                at += length
                if text:
                    lines.append(f'{{"text": "{" ".join(own)}."}}\n')
                else:
                    asked, said = " ".join(own[: length // 3]), " ".join(own[length // 3 :])
                    lines.append(f'{{"instruction": "{asked} {number}?", "output": "{said}."}}\n')
            file.write("".join(lines))
    return path


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]), int(sys.argv[2]))
