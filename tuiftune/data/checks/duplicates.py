"""Rows that are the same, and questions with several answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Check, Subject

CONTENT = ("system", "prompt", "answer", "rejected", "label")


def normalised(column: str) -> pl.Expr:
    """Lower case, single spaces, no blanks at the ends."""
    return pl.col(column).fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def content_key() -> pl.Expr:
    """Equal for rows that are equal but for blanks at their ends."""
    return pl.struct(
        pl.col(name).fill_null("").str.strip_chars().hash(seed) for seed, name in enumerate(CONTENT)
    )


def duplicates(subject: Subject) -> Iterator[Check]:
    """exact-duplicates (all but the first of equal rows) and conflicting-answers."""
    filled = pl.col("answer").is_not_null()
    yield subject.verdict(
        "exact-duplicates",
        "Exact duplicates",
        "warning",
        subject.where(~content_key().is_first_distinct() & filled),
        why="Repeated rows weigh more than the others, are learnt by heart, and leak between splits.",
        remedy="drop them: tuiftune data clean",
        show="answer" if subject.format == "text" else "prompt",
    )
    if subject.format not in ("text", "preference"):
        yield _conflicts(subject)


def _conflicts(subject: Subject) -> Check:
    prompt = normalised("prompt")
    asked = subject.frame.select(ask=prompt.hash(0) ^ normalised("system").hash(1), blank=prompt == "")
    again = asked["ask"].is_duplicated() & ~asked["blank"]
    at = again.arg_true()
    said = subject.frame[at].select(at=at, ask=asked["ask"].gather(at), said=normalised("answer").hash(2))
    several = said.filter(pl.col("said").n_unique().over("ask") > 1)
    indices = several.sort("at")["at"].to_numpy().astype("intp")
    examples = []
    for group in several.sort("ask", "at").partition_by("ask", maintain_order=True)[:3]:
        picked = subject.frame[group["at"].to_numpy()]
        answers = list(dict.fromkeys(excerpt(answer or "", 30) for answer in picked["answer"].to_list()))[:3]
        rows = ", ".join(str(row) for row in picked["row"].to_list()[:4])
        examples.append(f"{rows}: {excerpt(picked['prompt'][0], 40)} → {' | '.join(answers)}")
    labelled = subject.format == "classification"
    return subject.verdict(
        "conflicting-answers",
        "Same input, different answers",
        "error" if labelled else "warning",
        indices,
        why="The same question with different labels can't be learnt: it caps the accuracy."
        if labelled
        else "The model learns an average of them; harmful where only one is right.",
        remedy="agree on one answer, or add what tells the cases apart to the prompt",
        examples=examples,
    )
