"""Votes of people on a run's answers: `result/reviews.jsonl`, one line a vote; and the answers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.evaluate.reviewing import Vote
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
    """Return all votes, in the order they were given. Damaged lines are left out."""
    found = (Vote.of(line) for line in documents.json_lines(run.result_path / VOTES, MOST_BYTES))
    return [one for one in found if one is not None]


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
