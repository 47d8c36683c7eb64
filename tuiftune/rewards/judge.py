"""The grade of a judge: a language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune.errors import UserError
from tuiftune.rewards.base import Asked, Reward

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUBRIC = "Is the answer correct, does it do what was asked, and is it clear?"
MOST = 10  # the best grade
GRADE = re.compile(r"GRADE\W{0,4}(\d+(?:\.\d+)?)", re.IGNORECASE)
SECONDS, TOKENS = 120.0, 512  # for one answer of the judge, where the preset does not say
SYSTEM = """You grade an answer to a request. Criteria:

{rubric}

The length of the answer must not influence you. Say in a few sentences what is good and what is not. Then
write one last line: GRADE: 0 to GRADE: {most}, where {most} is the best."""


@dataclass(frozen=True, slots=True)
class ByJudge:
    """A judge by its address. The engine asks it: see `tuiftune.engine.stages.judge`.

    `model` may be "" if the endpoint serves only one.
    """

    endpoint: str
    model: str
    rubric: str
    seconds: float
    tokens: int
    place: str

    def __call__(self, asked: Sequence[Asked]) -> list[float]:
        raise RuntimeError(f"the judge at {self.endpoint} was not reached")

    def messages(self, asked: Asked) -> tuple[tuple[str, str], ...]:
        """What the judge is sent of an answer: (role, content)."""
        shown = f"Request: {asked.prompt}\n\n"
        if asked.reference:
            shown += f"A right answer, to compare with: {asked.reference}\n\n"
        system = SYSTEM.format(rubric=self.rubric, most=MOST)
        return ("system", system), ("user", f"{shown}Answer: {asked.answer}")


def read(text: str) -> float | None:
    """Return the grade that a judge's answer ends with, from 0 to 1; None if there is none."""
    found = GRADE.findall(text)
    value = float(found[-1]) if found else -1.0
    return value / MOST if 0 <= value <= MOST else None


def _make(given: Mapping[str, Any], place: str) -> ByJudge:
    endpoint = str(given["endpoint"])
    if not endpoint.startswith(("http://", "https://")) or not urlsplit(endpoint).netloc:
        raise UserError(
            "endpoint is not an HTTP address", place=place, remedy="write endpoint: http://HOST:PORT/v1"
        )
    for key, most in (("seconds", 3600), ("tokens", 32_768)):
        value = given.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise UserError(f"{key} has to be above 0, and at most {most}", place=place, remedy="correct it")
    return ByJudge(
        endpoint=endpoint,
        model=str(given.get("model", "")),
        rubric=str(given.get("rubric", RUBRIC)),
        seconds=float(given.get("seconds", SECONDS)),
        tokens=int(given.get("tokens", TOKENS)),
        place=place,
    )


JUDGE = Reward(
    "judge",
    80,
    f"the grade of a judge model behind an OpenAI-compatible endpoint, 0 to {MOST}, as 0 to 1",
    _make,
    {
        "endpoint": "its address, such as http://localhost:8000/v1",
        "model": "its name there; left out: the only one that is served",
        "rubric": "what makes an answer good",
        "seconds": f"for one answer of the judge ({SECONDS:g})",
        "tokens": f"of one answer of the judge ({TOKENS})",
    },
    needs=("endpoint",),
    compares=True,
)
