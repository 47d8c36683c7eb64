"""The evaluated rows of a result: prompt, reference answer, and the answers before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.documents import json_lines

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

FILE = "samples.jsonl"
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One evaluated row.

    Attributes:
        row: its number in its data file.
        before, after: answers of the base model and of the fine-tuned model; None if it was not asked.
        right_before, right_after: whether they equal the reference answer.
    """

    row: int
    prompt: str
    reference: str
    before: str | None
    after: str | None
    right_before: bool
    right_after: bool


def result_rows(run: RunDir) -> list[ResultRow]:
    """Return all evaluated rows of a finished run; [] if there are none."""
    found = (_row(line) for line in json_lines(run.result_path / FILE, MOST_BYTES))
    return [row for row in found if row is not None]


def _row(line: Any) -> ResultRow | None:
    if not isinstance(line, dict) or not isinstance(line.get("row"), int):
        return None
    texts = [line.get(key) for key in ("prompt", "reference", "before", "after")]
    prompt, reference, before, after = (text if isinstance(text, str) else None for text in texts)
    if prompt is None or reference is None:
        return None
    right = (line.get("matched_before") is True, line.get("matched_after") is True)
    return ResultRow(line["row"], prompt, reference, before, after, *right)
