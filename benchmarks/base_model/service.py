"""What customers write to a shop and travel house, and how an agent answers: thirteen wishes, three moods.

The corpus of the base model answers them in prose. The embedded dataset turns other such messages into ticket
lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.base_model.grammar import pick
from benchmarks.base_model.words import WORDS, person, read

if TYPE_CHECKING:
    import random

MOODS = ("high", "normal", "low")
_TEXT = read("service")


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that a customer can want: how it is said, how it is answered, and the words of its ticket."""

    team: str
    action: str
    thing: str
    said: tuple[str, ...]
    answered: tuple[str, ...]
    facts: tuple[str, ...]


WISHES = tuple(
    Wish(w["team"], w["action"], w["thing"], tuple(w["said"]), tuple(w["answered"]), tuple(w["facts"]))
    for w in _TEXT["wishes"]
)


@dataclass(frozen=True, slots=True)
class Case:
    """A message with what it means, and a prose answer to it. `masked` is the message without its number."""

    wish: Wish
    mood: str
    number: str
    message: str
    masked: str
    answer: str

    @property
    def ticket(self) -> str:
        """The house's ticket line: team, priority, what to do."""
        return f"{self.wish.team} | {self.mood} | {self.wish.action} {self.wish.thing} {self.number}"


def make_case(rng: random.Random, wish: Wish, mood: str, number: str) -> Case:
    """A customer's message, put together from greeting, aside, wish and mood in one of several orders."""
    colour, colour2 = rng.sample(WORDS["colours"], 2)
    slots = {
        "item": rng.choice(WORDS["items"]),
        "colour": colour,
        "colour2": colour2,
        "day": rng.choice(WORDS["days"]),
        "city": rng.choice(WORDS["cities"]),
        "name": person(rng),
        "few": rng.choice(("two", "three", "four", "five")),
        "n": "#",
    }
    greeting, aside = pick(rng, _TEXT["greetings"], slots), pick(rng, _TEXT["asides"], slots)
    said, felt = pick(rng, wish.said, slots), pick(rng, _TEXT["moods"][mood], slots)
    orders = ((greeting, aside, said, felt), (greeting, said, aside, felt), (greeting, felt, aside, said))
    order = rng.choices(orders, (5, 3, 0 if mood == "normal" else 2))[0]
    masked = _joined(*order)
    answer = _joined(
        pick(rng, _TEXT["moods_answered"][mood], slots),
        pick(rng, wish.answered, slots),
        pick(rng, _TEXT["closings"], slots),
    )
    return Case(wish, mood, number, masked.replace("#", number), masked, answer.replace("#", number))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
