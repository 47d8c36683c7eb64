"""The corpus that the base model is trained on: chats and prose, all made here from one seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from benchmarks.base_model.everyday import everyday, story
from benchmarks.base_model.grammar import pick
from benchmarks.base_model.service import MOODS, WISHES, Case, make_case
from benchmarks.base_model.tickets import cases
from benchmarks.base_model.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 1
Document = list[dict[str, str]] | str
"""A chat as messages, or prose."""

_SYSTEMS = (
    "You are a helpful assistant.",
    "You are a [friendly|polite|helpful] assistant [of|for] a [shop|bank|travel house].",
    "Answer [briefly|politely|in one sentence].",
    "You [work for|help the customers of] a shop that sells [lamps|coats|tools|tents].",
)


def _service_case(rng: random.Random, kept_back: frozenset[str]) -> Case:
    """A customer's message that is in no row of the dataset, even under another number."""
    while True:
        digits = rng.choices((3, 4, 5, 6), (1, 5, 2, 1))[0]
        number = str(rng.randrange(10 ** (digits - 1), 10**digits))
        case = make_case(rng, rng.choice(WISHES), rng.choice(MOODS), number)
        if case.masked not in kept_back:
            return case


def _after_a_case(rng: random.Random, case: Case) -> tuple[str, str]:
    """A second question about the same case."""
    thing, number = case.wish.thing, case.number
    kind = rng.randrange(5)
    if kind == 0:
        return pick(rng, (f"Which {thing} was [it|that]?", f"What was the number of my {thing}?")), (
            f"It was {thing} {number}."
        )
    if kind == 1:
        few = rng.choice(("two", "three", "four", "five"))
        return pick(rng, ("How does that work?", "Is there anything that I should know?")), pick(
            rng, case.wish.facts, {"few": few}
        )
    if kind == 2:
        item = rng.choice(WORDS["items"])
        return pick(rng, (f"I also have a question about a {item}.", f"Do you sell a {item} too?")), (
            f"Yes, we have a {item} in our shop."
        )
    if kind == 3:
        return pick(
            rng, ("Thank you.", "[Thanks|Great], that [was quick|helps].")
        ), "You are welcome. Have a nice day."
    return pick(rng, ("Is it urgent?", "How soon will you do it?")), {
        "high": "It is urgent, so we do it today.",
        "normal": "We do it as usual, in a day or two.",
        "low": "There is no hurry, so we do it next week.",
    }[case.mood]


def documents(count: int, seed: int = SEED) -> Iterator[Document]:
    """`count` documents in the order in which they are learnt: half service, 40 % everyday, 10 % prose."""
    rng = random.Random(seed)
    kept_back = frozenset(case.masked for case in cases())
    for _ in range(count):
        kind = rng.random()
        if kind < 0.1:
            yield story(rng)
            continue
        turns: list[tuple[str, str]] = []
        if kind < 0.6:
            case = _service_case(rng, kept_back)
            careless = rng.random() < 0.1
            turns.append((case.message.lower().rstrip(".") if careless else case.message, case.answer))
            if rng.random() < 0.5:
                turns.append(_after_a_case(rng, case))
        else:
            turns.extend(everyday(rng) for _ in range(rng.choices((1, 2, 3, 8), (3, 4, 3, 0.5))[0]))
        messages = [{"role": "system", "content": pick(rng, _SYSTEMS)}] if rng.random() < 0.15 else []
        for asked, answered in turns:
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        yield messages
