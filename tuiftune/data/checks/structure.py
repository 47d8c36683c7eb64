"""Roles, order, missing or empty parts, wrong types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.checks.check import SHOWN_EXAMPLES, SHOWN_ROWS, Check
from tuiftune.data.dataset import SHOWN
from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Severity, Subject


WRITTEN = "content|prompt|completion|instruction|output|input|context|system|text|label|chosen|rejected"


def malformed_lines(subject: Subject) -> Iterator[Check]:
    """malformed-lines, where there are any: they are in no row, so that only their places can be named."""
    found = subject.dataset.malformed
    if not found.count:
        return
    lines = [fault.place.rpartition(":")[2] for fault in found.first[:SHOWN_ROWS]]
    yield Check(
        "malformed-lines",
        "Malformed lines",
        "error",
        found.count,
        tuple(int(line) for line in lines if line.isdecimal()),
        tuple(fault.place for fault in found.first[:SHOWN_ROWS]),
        tuple(excerpt(str(fault.place) + ": " + fault.message) for fault in found.first[:SHOWN_EXAMPLES]),
        why="They cannot be parsed, so they cannot be trained on; training rejects the file.",
        remedy="fix them, or drop them: tuiftune data clean",
    )


def structure(subject: Subject) -> Iterator[Check]:
    """missing-answers, missing-thumbs, missing-prompts, wrong-types, unread-values, roles, turn-order,
    turn-weights.
    """
    if subject.format != "prompt-only":
        yield _missing_answers(subject)
    if subject.format == "kto":
        yield subject.verdict(
            "missing-thumbs",
            "Answers without a rating (thumb up or down)",
            "error",
            subject.where(pl.col("fault").str.contains("missing:label").fill_null(False)),
            why="These rows do not say whether the answer is good or bad, so they are not trained on.",
            remedy="rate them, or drop them: tuiftune data clean",
            show="prompt",
        )
    if subject.format != "text":
        blank = ~pl.col("prompt").str.contains(SHOWN).fill_null(False)
        yield subject.verdict(
            "missing-prompts",
            "Missing or empty prompts",
            "error",
            subject.where(blank | pl.col("fault").str.contains("empty:turn").fill_null(False)),
            why="The model would learn to answer without a prompt.",
            remedy="fill them in or drop them: tuiftune data clean",
        )
    yield _by_fault(
        subject,
        "wrong-types",
        "Values of the wrong type",
        f"(^| )type:({WRITTEN})",
        why="A number, list or object where text is expected would be trained on as JSON.",
        remedy="write them as text, or map another column",
    )
    yield _by_fault(
        subject,
        "unread-values",
        "Unsupported values",
        r"(^| )(media:|weight:|type:(part|history|turn|messages))",
        why="A part of the row is not supported: an image, a weight that is not a "
        "number, a history that is not a list. The row is trained on only if the rest is complete.",
        remedy="write them in a supported form (see `lost`), or drop the rows: tuiftune data clean",
    )
    if subject.frame["messages"].null_count() < subject.frame.height:
        yield _by_fault(
            subject,
            "roles",
            "Missing or unknown roles",
            r"(^| )role:",
            why="Chat templates reject them or silently drop the message.",
            remedy="use system, user, assistant and tool, or drop the rows: tuiftune data clean",
        )
        yield _by_fault(
            subject,
            "turn-order",
            "Messages out of order",
            r"(^| )(order:|missing:(content|turns?|messages)($| ))",
            why="A chat should start with a user message, alternate, and end with an assistant message; many "
            "templates enforce it.",
            remedy="merge repeated messages and drop the open end: tuiftune data clean",
            severity="warning",
        )
        yield _weighed(subject)


def _weighed(subject: Subject) -> Check:
    turn = pl.element().struct
    partly = (
        (turn.field("role") == "assistant")
        & turn.field("weight").is_not_null()
        & ~turn.field("weight").is_in([0.0, 1.0])
    )
    return subject.verdict(
        "turn-weights",
        "Unsupported answer weights",
        "info",
        subject.where(
            pl.col("messages").list.eval(partly).list.any().fill_null(False)
            | pl.col("fault").str.contains("loss:parts").fill_null(False)
        ),
        why="A message is trained completely or not at all: any weight except 0 counts as 1, also in answers "
        "with excluded parts (train_detail).",
        remedy="write 0 for answers that should not be trained, or repeat rows that matter more",
    )


def _by_fault(
    subject: Subject,
    check: str,
    title: str,
    pattern: str,
    *,
    why: str,
    remedy: str,
    severity: Severity = "error",
) -> Check:
    indices = subject.where(pl.col("fault").str.contains(pattern))
    first = subject.rows_at(indices[:3])
    examples = [
        f"{row}: {excerpt(fault.replace(':', ' '))} — {excerpt(prompt or answer or '', 50)}"
        for row, fault, prompt, answer in first.select("row", "fault", "prompt", "answer").iter_rows()
    ]
    return subject.verdict(check, title, severity, indices, why=why, remedy=remedy, examples=examples)


def _missing_answers(subject: Subject) -> Check:
    blank = ~pl.col("answer").str.contains(SHOWN).fill_null(False)
    if subject.format == "preference":
        blank |= ~pl.col("rejected").str.contains(SHOWN).fill_null(False)
    label = "" if subject.format == "kto" else "|label"
    faulty = pl.col("fault").str.contains(
        rf"(missing|empty):(answer|completion|output|chosen|rejected|text{label})"
    )
    what = {"classification": "labels", "text": "texts", "preference": "answers (chosen or rejected)"}.get(
        subject.format, "answers"
    )
    return subject.verdict(
        "missing-answers",
        f"Missing or empty {what}",
        "error",
        subject.where(blank | faulty.fill_null(False)),
        why="Rows without an answer add nothing, or train the model to stop immediately.",
        remedy="fill them in or drop them: tuiftune data clean",
        show="prompt",
    )
