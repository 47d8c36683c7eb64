"""Clean rows made from a seed, and planters that spoil a known number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Rows = list[dict[str, Any]]

_NOUNS = """
river bridge engine garden letter market window teacher harbour forest camera bottle village orchestra
mountain library tractor festival kitchen museum doctor painter island railway blanket compass lantern
pigeon carpet factory volcano sailor theatre ladder anchor orchard pharmacy tunnel castle meadow glacier
bakery wagon furnace
"""
NOUNS = _NOUNS.split()
_VERBS = """
repairs describes measures follows protects replaces delivers crosses observes improves collects
examines builds paints records carries explains studies cleans supports borrows visits moves divides
lifts changes finishes warms
"""
VERBS = _VERBS.split()
_ADJECTIVES = """
quiet narrow ancient bright careful heavy distant modern gentle hollow rapid silver wooden curious
patient frozen golden humble steep tidy vivid rough smooth famous hidden local busy fragile simple warm
early public annual wide
"""
ADJECTIVES = _ADJECTIVES.split()
LINKS = (
    "while",
    "because",
    "although",
    "before",
    "after",
    "so that",
    "whenever",
    "until",
    "since",
    "as soon as",
)
ASKS = (
    "Why does",
    "How often does",
    "When does",
    "Where does",
    "In which way does",
    "How well does",
    "For whom does",
)


def sentence(rng: random.Random) -> str:
    """An English sentence that hardly repeats."""
    clause = lambda: (  # noqa: E731
        f"the {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(ADJECTIVES)} "
        f"{rng.choice(NOUNS)}"
    )
    text = f"{clause()} {rng.choice(LINKS)} {clause()}."
    return text[0].upper() + text[1:]


def question(rng: random.Random) -> str:
    return (
        f"A {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {rng.choice(VERBS)}: "
        f"{rng.choice(ASKS).lower()} the {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} of the "
        f"{rng.choice(NOUNS)} need the "
        f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} that the {rng.choice(NOUNS)} {rng.choice(VERBS)}?"
    )


def pairs(count: int, rng: random.Random) -> Rows:
    return [
        {"prompt": question(rng), "completion": " ".join(sentence(rng) for _ in range(rng.randint(2, 4)))}
        for _ in range(count)
    ]


def chats(count: int, rng: random.Random) -> Rows:
    def turn(role: str, content: str) -> dict[str, str]:
        return {"role": role, "content": content}

    return [
        {
            "messages": [
                turn("user", question(rng)),
                turn("assistant", sentence(rng) + " " + sentence(rng)),
                turn("user", question(rng)),
                turn("assistant", sentence(rng) + " " + sentence(rng)),
            ]
        }
        for _ in range(count)
    ]


def labelled(count: int, rng: random.Random) -> Rows:
    names = (
        "card arrival",
        "refund",
        "delivery",
        "complaint",
        "opening hours",
        "password",
        "travel",
        "invoice",
    )
    return [{"text": question(rng), "label": names[index % len(names)]} for index in range(count)]


def spoil(
    rows: Rows, rng: random.Random, count: int, change: Callable[[dict[str, Any], int], None]
) -> list[int]:
    """Apply `change(row, n)` to `count` rows; their positions."""
    chosen = sorted(rng.sample(range(len(rows)), count))
    for number, index in enumerate(chosen):
        change(rows[index], number)
    return chosen


def copies(
    rows: Rows, rng: random.Random, count: int, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[int]:
    """Put changed copies of rows after them; the positions of the copies."""
    start = len(rows)
    for index in rng.sample(range(start), count):
        rows.append(change(rows[index]))
    return list(range(start, start + count))
