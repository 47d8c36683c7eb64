"""`tuiftune data generate` and `data score`: rows from a model, and rows rated by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import evaluation, generating
from tuiftune.evaluate.answer_cache import AnswerCache
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.evaluate.contender import Responder
    from tuiftune.evaluate.generating import Pair, Request

ROUNDS = 4  # requests at most, as a multiple of what would do if every row were used
TOKENS_A_REQUEST = 1024
RATING_TOKENS = 64
SEED = 42


@dataclass(slots=True)
class Generated:
    """Rows that were made, with what was dropped and why."""

    rows: list[Pair] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Rated:
    """Rows with their rating from 1 to 5, None if it could not be read."""

    rows: tuple[tuple[dict[str, Any], int | None], ...]

    def kept(self, least: int) -> list[dict[str, Any]]:
        """Return the rows that are rated so or better, with their rating as `quality`."""
        return [
            {**row, "quality": rating} for row, rating in self.rows if rating is not None and rating >= least
        ]


def seeds_of(file: str) -> list[tuple[int, str, str]]:
    """Return (row, prompt, answer) of the rows of a file. UserError if none has both."""
    from tuiftune.data.read.load import load
    from tuiftune.evaluate.contender import questions_of

    asked = questions_of(list(load(file).examples())).questions
    if not asked:
        raise UserError(
            "no row has both a prompt and an answer", place=printable(file), remedy="add some by hand"
        )
    return [(one.row, one.text, one.reference) for one in asked]


def generate(
    by: Responder,
    count: int,
    *,
    seeds: Sequence[tuple[int, str, str]] = (),
    passages: Sequence[tuple[str, str]] = (),
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Generated:
    """Ask for rows until there are `count`, or `ROUNDS` times the requests were made.

    Raises:
        UserError: if no usable row came.
    """
    least = -(-count // generating.WANTED)
    most = least * ROUNDS
    requests: list[Request] = (
        generating.from_passages(passages, most) if passages else generating.from_seeds(seeds, most, SEED)
    )
    known = [(prompt, answer) for _, prompt, answer in seeds]
    made, kept, said = Generated(), AnswerCache(cache, by.identity), ""
    while len(made.rows) < count and made.requests < most:
        batch = requests[made.requests : made.requests + least]
        made.requests += len(batch)
        answers = evaluation.ask(by, [one.messages for one in batch], TOKENS_A_REQUEST, kept)
        for request, answer in zip(batch, answers, strict=True):
            said = said or answer.answer or answer.fault
            found, faulty = generating.read(answer.answer, request)
            made.dropped["not a row"] += faulty
            for pair in found:
                if request.passage and not generating.grounded(pair, request.passage):
                    made.dropped["not in the text"] += 1
                else:
                    made.rows.append(pair)
        before = len(made.rows)
        made.rows = generating.new_ones(made.rows, known)
        made.dropped["duplicate"] += before - len(made.rows)
        progress(min(len(made.rows), count), count)
    if not made.rows:
        shown = " ".join(said.split())[:80] or "nothing"
        raise UserError(
            f"wrote no usable row; it said: {printable(shown)}",
            place=by.name,
            remedy="use a larger model",
            exit_code=ExitCode.FAILED,
        )
    made.rows = made.rows[:count]
    return made


def score(
    by: Responder,
    rows: Sequence[tuple[int, str, str]],
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rated:
    """Have every row rated. UserError if no rating could be read."""
    prompts = [generating.rating(prompt, answer) for _, prompt, answer in rows]
    answers = evaluation.ask(by, prompts, RATING_TOKENS, AnswerCache(cache, by.identity), progress)
    ratings = [generating.rated(one.answer) for one in answers]
    if all(one is None for one in ratings):
        shown = " ".join((answers[0].answer or answers[0].fault).split())[:80] or "nothing"
        raise UserError(
            f"gave no rating from 1 to 5; it said: {printable(shown)}",
            place=by.name,
            remedy="use a larger model",
            exit_code=ExitCode.FAILED,
        )
    made = [
        ({"prompt": prompt, "completion": answer}, rating)
        for (_, prompt, answer), rating in zip(rows, ratings, strict=True)
    ]
    return Rated(tuple(made))
