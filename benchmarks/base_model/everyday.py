"""Everything in the corpus that is not about a shop: small talk, sums, meanings, facts, copying, stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.base_model.grammar import expand, pick
from benchmarks.base_model.words import WORDS, made_up, person, read

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Turn = tuple[str, str]
"""What a user asks and what the assistant answers."""

_TEXT = read("everyday")
_SYMBOLS = "!#$%&()*+,-./:;<=>?@[]^_{|}~ 'äöüßéèñçøåœ€£°αβγδπабвгдж→•…“”‘’中日本語ひらがな한국어ابت🙂🚀"


def small_talk(rng: random.Random) -> Turn:
    said, answer = rng.choice(_TEXT["small_talk"])
    return expand(said, rng), answer


def rule(rng: random.Random) -> Turn:
    said, answer = rng.choice(_TEXT["rules"])
    return expand("[|||Hello. |A question: ]" + said, rng), answer


def meaning(rng: random.Random) -> Turn:
    word, what = rng.choice(list(WORDS["definitions"].items()))
    noun = word if word in ("winter", "summer") else f"{_article(word)} {word}"
    ask = f"[What is {noun}?|What does the word {word} mean?|Explain {noun}.|Tell me what {noun} is.]"
    return expand(ask, rng), f"{_capital(noun)} is {what}."


def team(rng: random.Random) -> Turn:
    name, helps_with = rng.choice(list(WORDS["teams"].items()))
    topic = rng.choice(helps_with)
    if rng.random() < 0.5:
        return pick(rng, (f"Who helps with {topic}?", f"Which team answers questions about {topic}?")), (
            f"The {name} team helps with {topic}."
        )
    return f"What does the {name} team do?", f"The {name} team helps with {' and '.join(helps_with[:2])}."


def sum_of_two(rng: random.Random) -> Turn:
    ask = rng.choice(("What is", "How much is", "Tell me:"))
    if rng.random() < 0.25:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        return f"{ask} {a} times {b}?", f"{a} times {b} is {a * b}."
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    if rng.random() < 0.5:
        return f"{ask} {a} plus {b}?", f"{a} plus {b} is {a + b}."
    a, b = max(a, b), min(a, b)
    return f"{ask} {a} minus {b}?", f"{a} minus {b} is {a - b}."


def story_problem(rng: random.Random) -> Turn:
    """A little word problem, worked in steps."""
    name, other = person(rng), person(rng)
    thing = rng.choice(("apples", "books", "coins", "cups", "pens", "eggs", "tickets", "boxes"))
    a, b = rng.randint(4, 20), rng.randint(2, 10)
    if rng.random() < 0.5:
        ask = f"{name} has {a} {thing}. {other} gives {name} {b} more. How many {thing} does {name} have now?"
        return (
            ask,
            f"{name} has {a} {thing} and gets {b} more. {a} + {b} = {a + b}. {name} has {a + b} {thing}.",
        )
    b = rng.randint(1, a - 2)
    ask = f"{name} has {a} {thing} and gives {b} to {other}. How many {thing} are left?"
    return ask, f"{name} has {a} {thing} and gives away {b}. {a} - {b} = {a - b}. {name} has {a - b} {thing}."


def capital(rng: random.Random) -> Turn:
    country, city = rng.choice(list(WORDS["capitals"].items()))
    ask = pick(rng, (f"What is the capital of {country}?", f"Name the capital of {country}."))
    return ask, f"The capital of {country} is {city}."


def opposite(rng: random.Random) -> Turn:
    pair = list(rng.choice(list(WORDS["opposites"].items())))
    rng.shuffle(pair)
    return f"What is the opposite of {pair[0]}?", f"The opposite of {pair[0]} is {pair[1]}."


def neighbour(rng: random.Random) -> Turn:
    """What comes before or after a day, a month or a number word."""
    names = WORDS[rng.choice(("days", "months", "numbers"))]
    at = rng.randrange(1, len(names) - 1)
    if rng.random() < 0.5:
        return f"What comes after {names[at]}?", f"{_capital(names[at + 1])} comes after {names[at]}."
    return f"What comes before {names[at]}?", f"{_capital(names[at - 1])} comes before {names[at]}."


def kind(rng: random.Random) -> Turn:
    group, members = rng.choice(list(WORDS["classes"].items()))
    if rng.random() < 0.5:
        a, b, c = rng.sample(members, 3)
        return f"Name three {group}s.", f"Three {group}s are {a}, {b} and {c}."
    word = rng.choice(members)
    if rng.random() < 0.5:
        return f"What kind of thing is {word}?", f"{_capital(word)} is a kind of {group}."
    other = rng.choice([name for name in WORDS["classes"] if name != group])
    return (
        f"Is {word} {_article(other)} {other}?",
        f"No. {_capital(word)} is a kind of {group}, not of {other}.",
    )


def compare(rng: random.Random) -> Turn:
    if rng.random() < 0.5:
        a, b = rng.sample(range(100), 2)
        return f"Which is bigger, {a} or {b}?", f"{max(a, b)} is bigger than {min(a, b)}."
    number = rng.randrange(len(WORDS["numbers"]))
    ask = pick(rng, (f"Write {number} as a word.", f"How do you write {number}?"))
    return ask, f"{number} is {WORDS['numbers'][number]}."


def say_again(rng: random.Random) -> Turn:
    """Numbers, words and signs, copied as they are."""
    choice = rng.randrange(4)
    if choice == 0:
        text = "".join(rng.choice("0123456789") for _ in range(rng.choice((3, 4, 4, 4, 5, 6))))
    elif choice == 1:
        text = ", ".join(rng.choice((*WORDS["items"], *WORDS["colours"])) for _ in range(rng.randint(2, 4)))
    elif choice == 2:
        text = " ".join(made_up(rng) for _ in range(rng.randint(1, 5)))
    else:
        text = "".join(rng.choice(_SYMBOLS) for _ in range(rng.randint(1, 8)))
    return expand("[Repeat after me:|Say again:|Write this:|Repeat this:]", rng) + f" {text}", text


def look_up(rng: random.Random) -> Turn:
    """One of several things that were just said."""
    if rng.random() < 0.3:
        name, city = person(rng), rng.choice(WORDS["cities"])
        return (
            f"My name is {name} and I live in {city}. Who am I?",
            f"You are {name}, and you live in {city}.",
        )
    if rng.random() < 0.4:
        keys = rng.sample(_TEXT["labels"], rng.randint(2, 4))
        values = [made_up(rng) if rng.random() < 0.7 else str(rng.randrange(100)) for _ in keys]
        at = rng.randrange(len(keys))
        table = "; ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
        return f"{table}. What is the {keys[at]}?", f"The {keys[at]} is {values[at]}."
    things = rng.sample(("order", "card", "booking", "account"), rng.randint(2, 3))
    numbers = [str(rng.randint(1000, 9999)) for _ in things]
    said = " and ".join(f"my {thing} is {number}" for thing, number in zip(things, numbers, strict=True))
    at = rng.randrange(len(things))
    ask = f"{_capital(said)}. What is the number of my {things[at]}?"
    return ask, f"The number of your {things[at]} is {numbers[at]}."


def spell(rng: random.Random) -> Turn:
    word = rng.choice(list(WORDS["definitions"])) if rng.random() < 0.5 else made_up(rng)
    return f"Spell the word {word}.", f"{word}: {'-'.join(word)}."


def unknown(rng: random.Random) -> Turn:
    slots = {"x": made_up(rng), "y": made_up(rng)}
    return pick(rng, _TEXT["unknown"], slots), pick(rng, _TEXT["unknown_answers"], slots)


EVERYDAY: dict[Callable[[random.Random], Turn], float] = {
    small_talk: 0.8,
    rule: 1.0,
    meaning: 1.3,
    team: 0.5,
    sum_of_two: 1.5,
    story_problem: 1.2,
    capital: 0.4,
    opposite: 0.4,
    neighbour: 0.4,
    kind: 0.7,
    compare: 0.4,
    say_again: 2.0,
    look_up: 1.5,
    spell: 0.5,
    unknown: 0.8,
}


def everyday(rng: random.Random) -> Turn:
    """One exchange of any kind, by weight."""
    return rng.choices(list(EVERYDAY), list(EVERYDAY.values()))[0](rng)


def story(rng: random.Random) -> str:
    """Prose of four to ten sentences about the same two people."""
    name, other = person(rng), person(rng)
    parts = _TEXT["story"]
    middles = rng.sample(parts["middles"], rng.randint(2, 8))

    def slots() -> dict[str, str]:
        return {
            "name": name,
            "other": other,
            "city": rng.choice(WORDS["cities"]),
            "day": rng.choice(WORDS["days"]),
            "item": rng.choice([item for item in WORDS["items"] if item[0] not in "aeiou"]),
            "colour": rng.choice(WORDS["colours"]),
            "place": rng.choice(
                ("library", "bakery", "hotel", "bank", "garden", "market", "school", "warehouse")
            ),
        }

    templates = [rng.choice(parts["starts"]), *middles, rng.choice(parts["ends"])]
    return " ".join(expand(template, rng, slots()) for template in templates)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
