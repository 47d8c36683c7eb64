"""Votes of people on a run's answers: `result/reviews.jsonl`, one line a vote; and the answers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.evaluate.reviewing import Vote
from tuiftune.figures import plural
from tuiftune.printable import printable
from tuiftune.runs.store.samples import append

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

VOTES = "reviews.jsonl"
ANSWERS = "samples.jsonl"
MOST_BYTES = 256 * 2**20


def answers(run: RunDir) -> list[dict[str, Any]]:
    """Return the rows of the result with the answers of both models. UserError if there are none."""
    rows = [
        row
        for row in documents.json_lines(run.result_path / ANSWERS, MOST_BYTES)
        if isinstance(row, dict) and isinstance(row.get("after"), str) and isinstance(row.get("before"), str)
    ]
    if not rows:
        raise UserError(
            "has no answers to review",
            place=printable(run.name),
            remedy="train with evaluation.rows above 0, or wait for its result",
        )
    return rows


def votes(run: RunDir) -> list[Vote]:
    """Return all votes on the run's answers, in the order they were given. Other lines are left out."""
    return _read(run)[0]


def left_out(run: RunDir) -> str:
    """Return a sentence on lines that are not votes on the run's answers; "" if there are none."""
    found, lines = _read(run)
    left = lines - len(found)
    if not left:
        return ""
    return f"Left out, as not votes on an answer of the run: {plural(left, 'line')} of {VOTES}."


def _read(run: RunDir) -> tuple[list[Vote], int]:
    """Return the votes, and the number of lines."""
    path = run.result_path / VOTES
    if not paths.is_file(path):
        return [], 0
    rows = len(answers(run))
    lines = [line for line in documents.read_bytes(path, MOST_BYTES).split(b"\n") if line.strip()]
    found = []
    for line in lines:
        try:
            vote = Vote.of(documents.loads(line))
        except ValueError:
            continue
        if vote is not None and vote.row <= rows:
            found.append(vote)
    return found, len(lines)


def check_writable(run: RunDir) -> None:
    """UserError now, rather than at the first vote, if votes cannot be kept."""
    paths.check_appendable(run.result_path / VOTES)


def add(run: RunDir, vote: Vote) -> None:
    """Keep a vote at once. UserError if it cannot be written."""
    path = run.result_path / VOTES
    try:
        append(path, vote.document())
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None
