"""Several sources in one training set: each row is seen `weight` times an epoch, and all is counted.

Replaying some general data beside the task's own keeps what the model knew (guides A and C); weights may be
chosen from shares or from a temperature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.data.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.example import Example

LARGEST_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Portion:
    """What the trainer sees of one source in an epoch. `left_out` rows are in the evaluation set."""

    source: str
    weight: float
    rows: int
    seen: int
    left_out: int = 0

    def describe(self) -> str:
        """The source and how much of it is seen, in words."""
        words = f"{self.source} × {self.weight:g}: {self.seen:,} rows an epoch"
        return words + (f", {self.left_out:,} held-out prompts left out" if self.left_out else "")


@dataclass(frozen=True, slots=True)
class Mixture:
    """The rows of an epoch (repeats are repeated) and what each source contributes, the main one first."""

    examples: list[Example]
    portions: tuple[Portion, ...]

    def share(self, portion: Portion) -> float:
        """A source's part of all rows seen."""
        return portion.seen / max(1, len(self.examples))


def mixed(
    train: list[Example],
    held_out: list[Example],
    sources: Sequence[tuple[str, float]],
    seed: int,
    name: str = "train",
) -> Mixture:
    """The main training rows with further (path, weight) sources.

    Weight 0.25 takes a quarter of a source's rows (by content and seed), 2 takes each twice, 2.5 half of them
    a third time. Rows whose prompt is held out are left out. Raises UserError for an unreadable source, a
    weight that isn't in (0, 100], or preference rows beside others.
    """
    held = {prompt_of(example) for example in held_out}
    examples = list(train)
    portions = [Portion(name, 1.0, len(train), len(train))]
    kind = _kind(train)
    for path, weight in sources:
        if not 0 < weight <= LARGEST_WEIGHT:
            raise UserError(
                f"{weight:g} is no weight", place="data.mix", remedy=f"above 0, at most {LARGEST_WEIGHT:g}"
            )
        rows = list(load(path).examples())
        if rows and train and _kind(rows) != kind:
            raise UserError(
                f"its rows are for {_kind(rows)}, the others for {kind}",
                place=path,
                remedy="mix sources of one stage",
            )
        fresh = [example for example in rows if prompt_of(example) not in held]
        taken = sample(fresh, weight, seed)
        examples += taken
        portions.append(Portion(path, weight, len(rows), len(taken), len(rows) - len(fresh)))
    return Mixture(examples, tuple(portions))


def sample(rows: list[Example], weight: float, seed: int) -> list[Example]:
    """Each row ⌊weight⌋ times, and the fraction's share once more: those with the smallest hash of content
    and seed.
    """
    whole, fraction = int(weight), weight - int(weight)
    count = round(fraction * len(rows))
    if not count:
        return rows * whole
    order = sorted(range(len(rows)), key=lambda index: (_key(rows[index], seed), index))
    chosen = sorted(order[:count])
    return rows * whole + [rows[index] for index in chosen]


def weights_of_shares(sizes: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Weights at which sources of these sizes make up these shares, the first (main) source counting once.

    Raises UserError when a share isn't above 0.
    """
    if any(share <= 0 for share in shares) or any(size <= 0 for size in sizes):
        raise UserError("shares must be above 0", place="data.mix")
    return [share / shares[0] * sizes[0] / size for size, share in zip(sizes, shares, strict=True)]


def weights_of_temperature(sizes: Sequence[int], temperature: float) -> list[float]:
    """Weights for shares ∝ size^(1/T), the first source counting once: T = 1 as they are, large T all equal.

    As multilingual training samples its languages (Arivazhagan and others, 2019).
    """
    if temperature < 1:
        raise UserError(f"{temperature:g} is no temperature", place="data.mix", remedy="1 or more")
    return weights_of_shares(sizes, [size ** (1 / temperature) for size in sizes])


def prompt_of(example: Example) -> str:
    """The prompt's text, or the text itself, as equality is judged: lower case, single spaces."""
    turns = [message.content for message in example.prompt]
    return " ".join(("\n".join(turns) if turns else example.text or "").lower().split())


def _kind(rows: list[Example]) -> str:
    return "preferences" if rows and rows[0].chosen is not None else "supervised tuning"


def _key(example: Example, seed: int) -> bytes:
    plain = replace(example, row=0, file="")
    return hashlib.blake2b(
        repr(plain).encode("utf-8", "replace"), digest_size=8, salt=str(seed).encode()[:16]
    ).digest()
