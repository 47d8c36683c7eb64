"""Roles, order, missing or empty parts, wrong types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.checks.check import SHOWN_EXAMPLES, SHOWN_ROWS, Check
from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Severity, Subject


WRITTEN = "content|prompt|completion|instruction|output|input|context|system|text|label|chosen|rejected"


def malformed(subject: Subject) -> Iterator[Check]:
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
        why="They are not rows, so nothing of them can be trained on; training refuses the file.",
        remedy="fix them, or drop them: tuiftune data clean",
    )


def structure(subject: Subject) -> Iterator[Check]:
    """missing-answers, missing-thumbs, missing-prompts, wrong-types, unread-values, roles, turn-order,
    turn-weights.
    """
    blank = ~pl.col("answer").str.contains(r"\S").fill_null(False)
    if subject.format == "preference":
        blank |= ~pl.col("rejected").str.contains(r"\S").fill_null(False)
    label = "" if subject.format == "kto" else "|label"
    faulty = pl.col("fault").str.contains(
        rf"(missing|empty):(answer|completion|output|chosen|rejected|text{label})"
    )
    what = {"classification": "labels", "text": "texts", "preference": "answers (chosen or rejected)"}.get(
        subject.format, "answers"
    )
    yield subject.verdict(
        "missing-answers",
        f"Missing or empty {what}",
        "error",
        subject.where(blank | faulty.fill_null(False)),
        why="Such a row teaches nothing, or teaches to stop at once.",
        remedy="fill them in or drop them: tuiftune data clean",
        show="prompt",
    )
    if subject.format == "kto":
        yield subject.verdict(
            "missing-thumbs",
            "Answers without a thumb up or down",
            "error",
            subject.where(pl.col("fault").str.contains("missing:label").fill_null(False)),
            why="Such a row says neither that its answer is good nor that it is bad: it is not trained on.",
            remedy="judge them, or drop them: tuiftune data clean",
            show="prompt",
        )
    if subject.format != "text":
        blank = ~pl.col("prompt").str.contains(r"\S").fill_null(False)
        yield subject.verdict(
            "missing-prompts",
            "Missing or empty prompts",
            "error",
            subject.where(blank | pl.col("fault").str.contains("empty:turn").fill_null(False)),
            why="The model would learn to answer without having been asked.",
            remedy="fill them in or drop them: tuiftune data clean",
        )
    yield _by_fault(
        subject,
        "wrong-types",
        "Values of the wrong type",
        f"(^| )type:({WRITTEN})",
        why="A number, list or object stands where text is expected; it would be trained on as JSON.",
        remedy="write them as text, or map another column",
    )
    yield _by_fault(
        subject,
        "unread-values",
        "Values that can't be read",
        r"(^| )(media:|weight:|type:(part|history|turn|messages))",
        why="A part of the row is of a kind or shape that is not read: a picture, a weight that is no "
        "number, a history that is no list. Such a row is trained on only where it is but an unknown part.",
        remedy="write them in a form that is read (see `lost`), or drop the rows: tuiftune data clean",
    )
    if subject.frame["messages"].null_count() < subject.frame.height:
        yield _by_fault(
            subject,
            "roles",
            "Missing or unknown roles",
            r"(^| )role:",
            why="Chat templates refuse them or drop the turn silently.",
            remedy="use system, user, assistant and tool; data clean drops such rows",
        )
        yield _by_fault(
            subject,
            "turn-order",
            "Turns out of order",
            r"(^| )(order:|missing:(content|turns?|messages)($| ))",
            why="A chat should open with the user, alternate and end with the assistant; many "
            "templates enforce it.",
            remedy="merge repeated turns and drop the open end: tuiftune data clean",
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
        "Answers weighed neither 0 nor 1, or in parts",
        "info",
        subject.where(
            pl.col("messages").list.eval(partly).list.any().fill_null(False)
            | pl.col("fault").str.contains("loss:parts").fill_null(False)
        ),
        why="A turn is learnt whole or not at all: any weight but 0 counts as 1 here, as does an answer of "
        "which parts are kept out (train_detail).",
        remedy="write 0 for what should not be learnt, or repeat rows that matter more",
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
    first = subject.frame[indices[:3]]
    examples = [
        f"{row}: {excerpt(fault.replace(':', ' '))} — {excerpt(prompt or answer or '', 50)}"
        for row, fault, prompt, answer in first.select("row", "fault", "prompt", "answer").iter_rows()
    ]
    return subject.verdict(check, title, severity, indices, why=why, remedy=remedy, examples=examples)
