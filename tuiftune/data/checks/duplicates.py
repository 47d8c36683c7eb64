"""Rows that are the same, and questions with several answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.excerpt import excerpt
from tuiftune.data.similar.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Check, Subject

MOST_SHOWN = 50  # answers to a prompt that are looked at to show three
CONTENT = ("system", "prompt", "answer", "rejected", "label")


def content_key() -> pl.Expr:
    """Equal for rows that are equal but for blanks at their ends."""
    return pl.struct(
        pl.col(name).fill_null("").str.strip_chars().hash(seed) for seed, name in enumerate(CONTENT)
    )


def _first_equal(keys: pl.Series, repeated: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each repeated row the first that is equal to it."""
    wanted = pl.DataFrame({"key": keys.gather(repeated)})
    seen = pl.DataFrame({"key": keys}).with_row_index("at")
    first = seen.filter(pl.col("key").is_in(wanted["key"].unique().implode())).unique("key", keep="first")
    return wanted.join(first, on="key", maintain_order="left")["at"].to_numpy().astype("intp")


def duplicates(subject: Subject) -> Iterator[Check]:
    """exact-duplicates (all but the first of equal rows) and conflicting-answers."""
    found = subject.each(key=content_key().hash(), filled=pl.col("answer").is_not_null())
    again = ~found["key"].is_first_distinct() & found["filled"]
    repeated = again.arg_true().to_numpy().astype("intp")
    yield subject.verdict(
        "exact-duplicates",
        "Exact duplicates",
        "warning",
        repeated,
        why="Duplicates are over-represented, get memorized, and can leak into the evaluation set.",
        remedy="drop them: tuiftune data clean",
        partner=_first_equal(found["key"], repeated),
        show="answer" if subject.format == "text" else "prompt",
    )
    if subject.format not in ("text", "preference"):
        yield _conflicts(subject)


def _conflicts(subject: Subject) -> Check:
    prompt = normalized("prompt")
    asked = subject.each(
        ask=prompt.hash(0) ^ normalized("system").hash(1),
        blank=prompt == "",
        said=normalized("answer").hash(2),
    )
    at = (asked["ask"].is_duplicated() & ~asked["blank"]).arg_true()
    said = asked[at].select(at=at, ask="ask", said="said")
    several = said.filter(pl.col("said").n_unique().over("ask") > 1)
    ordered = several.sort("at").with_columns(
        other=pl.col("at").filter(pl.col("said") != pl.col("said").first()).first().over("ask"),
        one=pl.col("at").first().over("ask"),
        first=pl.col("said").first().over("ask"),
    )
    indices = ordered["at"].to_numpy().astype("intp")
    partner = ordered.select(pl.when(pl.col("said") == pl.col("first")).then("other").otherwise("one"))
    examples = []
    for group in several.sort("ask", "at").partition_by("ask", maintain_order=True)[:3]:
        picked = subject.rows_at(group["at"].head(4).to_numpy().astype("intp"))
        each = group.unique("said", keep="first", maintain_order=True)["at"].head(MOST_SHOWN)
        texts = subject.rows_at(each.to_numpy().astype("intp"))["answer"].to_list()
        answers = list(dict.fromkeys(excerpt(answer or "", 30) for answer in texts))[:3]
        rows = ", ".join(str(row) for row in picked["row"].to_list())
        examples.append(f"{rows}: {excerpt(picked['prompt'][0], 40)} → {' | '.join(answers)}")
    labeled = subject.format == "classification"
    return subject.verdict(
        "conflicting-answers",
        "Same prompt, different answers",
        "error" if labeled else "warning",
        indices,
        why="Equal prompts with different labels cannot be learned, and limit the accuracy."
        if labeled
        else "The model learns a mixture of them, which is harmful if only one is correct.",
        remedy="keep one answer, or add to the prompt what distinguishes the cases",
        examples=examples,
        partner=partner.to_series().to_numpy().astype("intp"),
    )
