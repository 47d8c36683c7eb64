"""The rewards: each file of this room that holds a `Reward` is one."""

from __future__ import annotations

import difflib
import functools
import math
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.options import entries
from tuiftune.printable import printable
from tuiftune.rewards.base import Asked, Made, Reward

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACE = "method.rewards"
NAME, WEIGHT = "reward", "weight"
NEARLY_ALL = 0.9
HEAVIEST = 1_000_000
LARGEST = 1e15  # a reward with its weight: the squares of larger ones overflow 32-bit floats


@functools.cache
def every() -> Mapping[str, Reward]:
    """Every reward by key, in the order they are listed in."""
    return entries("rewards", Reward)


def made(listed: Sequence[Mapping[str, Any]]) -> tuple[Made, ...]:
    """The rewards of a preset, ready to score.

    UserError for an unknown name, a parameter that it doesn't take or lacks, or a weight that is no number.
    """
    found = []
    for number, one in enumerate(listed, 1):
        place = f"{PLACE}, entry {number}"
        name = one.get(NAME)
        if name is None:
            remedy = f"write {{{NAME}: exact_match}}, or another of {', '.join(every())}"
            raise UserError(f"it has no key `{NAME}`", place=place, remedy=remedy)
        reward = every().get(str(name))
        if reward is None:
            raise UserError(f"{printable(str(name))} is not a reward", place=place, remedy=_meant(str(name)))
        given = {key: value for key, value in one.items() if key not in (NAME, WEIGHT)}
        for key in given.keys() - reward.takes.keys():
            takes = ", ".join(reward.takes) or "no parameter"
            raise UserError(f"{name} does not take {printable(key)}", place=place, remedy=f"it takes {takes}")
        for key in reward.needs:
            if key not in given:
                raise UserError(f"{name} needs {key}: {reward.takes[key]}", place=place, remedy=f"add {key}")
        weight = one.get(WEIGHT, 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise UserError("the weight is not a finite number", place=place, remedy="write weight: 1.0")
        if abs(weight) > HEAVIEST:
            raise UserError(
                f"the weight is not between -{HEAVIEST:,} and {HEAVIEST:,}",
                place=place,
                remedy="write weight: 1.0",
            )
        found.append(Made(reward.key, float(weight), reward.make(given, place)))
    if not any(one.weight for one in found):
        raise UserError(
            "every weight is 0, so no answer is better than another", place=PLACE, remedy="raise one"
        )
    return tuple(found)


def scores(name: str, made: Made, asked: Sequence[Asked]) -> list[float]:
    """Return what answers are worth by one reward. UserError for numbers that are too large to train on."""
    found = made.score(asked)
    for value in found:
        if not math.isfinite(value):
            raise UserError(f"{name} is {value:g}, not a finite number", place=PLACE, remedy="correct it")
        if abs(made.weight * value) > LARGEST:
            raise UserError(
                f"{name} is {value:g} with weight {made.weight:g}, which is too large to train on",
                place=PLACE,
                remedy="return smaller numbers, such as 0 to 1, or lower the weight",
            )
    return found


def try_out(listed: Sequence[Mapping[str, Any]], prompt: str, reference: str) -> None:
    """Ask the user's own rewards what the reference answer to a prompt is worth. UserError as in a run."""
    for number, one in enumerate(listed, 1):
        reward = every()[str(one[NAME])]
        if reward.tried:
            (made_one,) = made([{**one, WEIGHT: one.get(WEIGHT) or 1.0}])
            try:
                scores(f"{one[NAME]} (entry {number})", made_one, [Asked(prompt, reference, reference, 1)])
            finally:
                getattr(made_one.score, "close", lambda: None)()


def compares(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Return True if a reward of the list compares with reference answers."""
    return any(every()[str(one[NAME])].compares for one in listed if one.get(NAME) in every())


def check_references(listed: Sequence[Mapping[str, Any]], references: Sequence[str]) -> str:
    """Return what to warn of references that no answer can match; "" if there is nothing.

    UserError if a reward can match none of them.
    """
    for number, one in enumerate(listed, 1):
        reward = every()[str(one[NAME])]
        reads = reward.reads or (bool if reward.compares else None)
        without = sum(not reads(reference) for reference in references) if reads else 0
        if not without:
            continue
        if not any(references):
            raise UserError(
                f"{one[NAME]} compares with reference answers, and the rows have none",
                place=f"{PLACE}, entry {number}",
                remedy="use a reward that needs none, such as regex, json_schema, python, model or judge, or "
                "add a column of the right answers",
            )
        said = (
            f"{without:,} of {len(references):,} reference answers have nothing that {one[NAME]} could match"
        )
        if without == len(references):
            raise UserError(
                said,
                place=f"{PLACE}, entry {number}",
                remedy="use another reward, or the column of the right answers as data.columns: completion",
            )
        return said
    return ""


def suiting(references: Sequence[str]) -> str:
    """Return the first reward that can check nearly all of these reference answers; "" if none can."""
    for key, reward in sorted(every().items(), key=lambda pair: -pair[1].order):
        if references and reward.suits is not None:
            fitting = sum(map(reward.suits, references))
            if fitting >= NEARLY_ALL * len(references):
                return key
    return ""


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, every(), 1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(every())}"
