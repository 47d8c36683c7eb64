"""The words and sentences that the corpus is made of, as the TOML files beside this one hold them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

_HERE = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """The tables of `name`.toml."""
    return tomllib.loads((_HERE / f"{name}.toml").read_text(encoding="utf-8"))


WORDS = read("words")

_ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
)
_ONSETS += ("sh", "sk", "st", "t", "th", "tr", "v", "w", "x", "y", "z")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "io", "oo", "ou")
_CODAS = ("", "", "", "n", "r", "l", "s", "t", "m", "nd", "ck", "sk", "st", "ng", "rt")


def made_up(rng: random.Random) -> str:
    """A word of one to three syllables that almost surely nobody has used, so that spelling is learnt."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.randint(1, 3))
    )


def person(rng: random.Random) -> str:
    """A first name: mostly a real one."""
    return rng.choice(WORDS["names"]) if rng.random() < 0.7 else made_up(rng).capitalize()
