"""`tuiftune judge`: two contenders answer, a judge compares their answers in both orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.data.example import Message
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import evaluation, judging
from tuiftune.evaluate.answer_cache import AnswerCache
from tuiftune.evaluate.judging import Contest, Judgment
from tuiftune.figures import plural
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tuiftune.evaluate.contender import Responder
    from tuiftune.evaluate.judging import Judged, Side

JUDGE_TOKENS = 512
ANSWER_TOKENS = 512
MOST_BYTES = 64 * 2**20
SIDES: dict[str, Side] = {"a": "first", "first": "first", "b": "second", "second": "second", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One conversation to judge: its row, an optional system message, and the user's turns."""

    row: int
    system: str
    turns: tuple[str, ...]


def asked_of(path: Path, most: int | None) -> tuple[list[Asked], str]:
    """Return the conversations of a file, JSONL with `turns` or any rows that can be trained on, and a
    sentence on the rows that are left out, "" if there are none.

    Raises:
        UserError: if no row asks anything.
    """
    found, rows = _with_turns(path)
    if not found:
        from tuiftune.data.read.load import load

        rows = 0
        for example in load(str(path)).examples():
            rows += 1
            system = "\n".join(one.content for one in example.prompt if one.role == "system")
            turns = tuple(one.content for one in example.prompt if one.role == "user")
            if turns and all(one.role in ("system", "user") for one in example.prompt):
                found.append(Asked(example.row, system, turns))
    place = printable(str(path))
    if not found:
        raise UserError("asks nothing", place=place, remedy='write {"turns": ["…", "…"]}, one a line')
    left = rows - len(found)
    why = 'they ask nothing, or hold earlier answers (write those as {"turns": ["…", "…"]})'
    return found[:most], f"{left:,} of {plural(rows, 'row')} of {place} are left out: {why}." if left else ""


def _with_turns(path: Path) -> tuple[list[Asked], int]:
    """Return the conversations of lines with `turns`, and how many lines there are; none if the file is too
    large or cannot be read.
    """
    try:
        lines = [line for line in documents.read_bytes(path, MOST_BYTES).split(b"\n") if line.strip()]
    except UserError:
        return [], 0
    found = []
    for at, line in enumerate(lines, 1):
        try:
            row = documents.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and _texts(row.get("turns")):
            found.append(Asked(at, "", tuple(row["turns"])))
    return found, len(lines)


def votes_of(path: Path) -> dict[int, Side]:
    """Return human votes: JSONL with `row` and `vote` (A, B or tie; A is the first side).

    Raises:
        UserError: if a line is something else, or a row has two different votes.
    """
    found: dict[int, Side] = {}
    text = documents.read_text(path, MOST_BYTES)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{printable(str(path))}:{number}"
        try:
            row = documents.loads(line)
            at, side = row["row"], SIDES[str(row["vote"]).strip().lower()]
            if isinstance(at, bool) or at != int(at):
                raise ValueError
        except (ValueError, KeyError, TypeError, OverflowError):
            raise UserError("is not a vote", place=place, remedy='write {"row": 3, "vote": "A"}') from None
        if found.setdefault(int(at), side) != side:
            raise UserError(
                f"row {at} has another vote above", place=place, remedy="keep one vote a row, of one person"
            )
    return found


def unmatched(votes: Mapping[int, Side], asked: Sequence[Asked]) -> str:
    """Return a sentence on votes of rows that are not judged, "" if there are none."""
    left = sorted(votes.keys() - {one.row for one in asked})
    if not left:
        return ""
    rows = ", ".join(map(str, left[:5])) + (", …" if len(left) > 5 else "")
    return f"{len(left):,} of {plural(len(votes), 'vote')} are of rows that are not judged: {rows}."


def judge(
    first: Responder,
    second: Responder,
    judge: Responder,
    asked: Sequence[Asked],
    *,
    rubric: str = judging.RUBRIC,
    votes: Mapping[int, Side] | None = None,
    max_new_tokens: int = ANSWER_TOKENS,
    cache: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[Judged, list[Contest]]:
    """Have both sides answer every turn, and the judge compare them.

    Raises:
        UserError: if a side gives no answer, or the judge says nothing that can be read.
    """
    sides = [_answered(one, asked, max_new_tokens, cache, progress) for one in (first, second)]
    contests = [
        Contest(one.row, one.turns, a, b) for one, a, b in zip(asked, sides[0], sides[1], strict=True)
    ]
    prompts = [one.prompt(rubric, swapped=swapped) for one in contests for swapped in (False, True)]
    kept = AnswerCache(cache, judge.identity)
    said = evaluation.ask(
        judge, prompts, JUDGE_TOKENS, kept, lambda done, total: progress(f"judge {judge.name}", done, total)
    )
    judgments = [
        Judgment(
            one.row,
            judging.read(said[2 * at].answer, swapped=False),
            judging.read(said[2 * at + 1].answer, swapped=True),
        )
        for at, one in enumerate(contests)
    ]
    made = judging.summed(contests, judgments, votes)
    if made.unreadable == len(judgments):
        shown = printable(" ".join(said[0].answer.split()))[:80] or said[0].fault or "nothing"
        raise UserError(
            f"gave no judgment that can be read; it said: {shown}",
            place=judge.name,
            remedy="use a larger judge, or a rubric that asks for less",
            exit_code=ExitCode.FAILED,
        )
    return made, contests


def _answered(
    responder: Responder,
    asked: Sequence[Asked],
    room: int,
    cache: Path | None,
    progress: Callable[[str, int, int], None],
) -> list[tuple[str, ...]]:
    """Return the answers of every turn, each given after the side's own earlier answers."""
    kept = AnswerCache(cache, responder.identity)
    given: list[list[str]] = [[] for _ in asked]
    for turn in range(max(len(one.turns) for one in asked)):
        open_ = [at for at, one in enumerate(asked) if turn < len(one.turns)]
        prompts = [_messages(asked[at], given[at]) for at in open_]
        answers = evaluation.ask(
            responder, prompts, room, kept, lambda done, total: progress(responder.name, done, total)
        )
        for at, answer in zip(open_, answers, strict=True):
            if answer.fault:
                raise UserError(
                    f"row {asked[at].row} has no answer: {answer.fault}",
                    place=responder.name,
                    exit_code=ExitCode.FAILED,
                )
            given[at].append(answer.answer)
    return [tuple(one) for one in given]


def _messages(one: Asked, given: Sequence[str]) -> tuple[Message, ...]:
    messages = [Message("system", one.system)] if one.system else []
    for request, answer in zip(one.turns, given, strict=False):
        messages += [Message("user", request), Message("assistant", answer)]
    return (*messages, Message("user", one.turns[len(given)]))


def _texts(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(one, str) and one.strip() for one in value)
    )


def rubric_of(path: Path | None) -> str:
    """Return the rubric of a file, or the usual one. UserError if the file is empty."""
    if path is None:
        return judging.RUBRIC
    text = documents.read_text(paths.given(path)).strip()
    if not text:
        raise UserError("is empty", place=printable(str(path)), remedy="write the criteria, one a line")
    return text
