"""A judge whose grades are rewards: asked through `evaluate`'s endpoint, and never twice for one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.data.example import Message
from tuiftune.engine.process.stopping import PausedError
from tuiftune.errors import UserError
from tuiftune.evaluate.answer_cache import AnswerCache, default_directory, key_of
from tuiftune.evaluate.endpoint import Endpoint
from tuiftune.printable import printable
from tuiftune.rewards import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.contender import Answered
    from tuiftune.rewards.base import Asked

UNREADABLE = 0.1  # of a batch's grades: more of them, and the run pauses
SHOWN = 80  # characters of what a judge said


class Judge:
    """Grades of a judge, from 0 to 1.

    What it said is kept on this machine, so that a resumed run is not charged again. A grade that can't be
    read counts as the mean of the others. PausedError if the judge fails.
    """

    def __init__(self, named: judge.ByJudge) -> None:
        self._named = named
        self._endpoint = Endpoint(named.endpoint, named.model or None, seconds=named.seconds)
        self._cache = AnswerCache(default_directory(), f"judge {self._endpoint.identity}")

    def __call__(self, asked: Sequence[Asked]) -> list[float]:
        prompts = [
            tuple(Message(role, content) for role, content in self._named.messages(one)) for one in asked
        ]
        keys = [key_of(prompt, self._named.tokens) for prompt in prompts]
        self._ask(dict(zip(keys, prompts, strict=True)))
        found = [judge.read(self._text(key)) for key in keys]
        readable = [grade for grade in found if grade is not None]
        if len(found) - len(readable) > UNREADABLE * len(found):
            said = next(self._text(key) for key, grade in zip(keys, found, strict=True) if grade is None)
            raise PausedError(
                f"{len(found) - len(readable)} of {len(found)} answers of the judge have no readable grade, "
                f"such as: {printable(' '.join(said.split()))[-SHOWN:]!r}",
                place=self._named.place,
                remedy="use a larger judge, give it more tokens, or say in the rubric what to write",
            )
        mean = sum(readable) / len(readable) if readable else 0.0
        return [mean if grade is None else grade for grade in found]

    def _text(self, key: str) -> str:
        kept = self._cache.get(key)
        return "" if kept is None else kept.answer

    def _ask(self, wanted: dict[str, tuple[Message, ...]]) -> None:
        """Ask what is not known yet. Each answer is kept as it comes."""
        missing = {key: prompt for key, prompt in wanted.items() if self._cache.get(key) is None}
        keys: list[str] = list(missing)
        failed: list[str] = []

        def keep(at: int, answer: Answered) -> None:
            if answer.fault:
                failed.append(answer.fault)
            else:
                self._cache.put(keys[at], answer)

        try:
            self._endpoint.respond(list(missing.values()), self._named.tokens, keep)
        except UserError as fault:
            raise PausedError(fault.message, place=fault.place, remedy=fault.remedy) from fault
        if failed:
            raise PausedError(
                f"the judge {failed[0]}", place=self._endpoint.url, remedy="look at its log, then resume"
            )
