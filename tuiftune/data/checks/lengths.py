"""Outliers in length, what max_length cuts away, and rows with nothing left to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.tokens import truncation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Check, Subject

DEVIATIONS = 5.0  # robust standard deviations of the logarithm
TIMES = 4.0  # and at least so many times longer or shorter than the median


def length_outliers(subject: Subject) -> Iterator[Check]:
    """length-outliers: prompts or answers far from the median, by median and MAD of the log length."""
    strange: set[int] = set()
    told = []
    parts = ("answer",) if subject.format == "text" else ("prompt", "answer")
    if subject.format == "classification":
        parts = ("prompt",)
    for part in parts:
        size = subject.frame[part].str.len_chars().fill_null(0).to_numpy()
        found = outliers(size)
        strange.update(found.tolist())
        if len(found):
            told.append(
                f"{part}s: median {int(np.median(size[size > 0])):,} characters, {_range(size[found])}"
            )
    yield subject.verdict(
        "length-outliers",
        "Length outliers",
        "warning",
        np.array(sorted(strange), dtype=np.intp),
        why="Very long rows need memory for the whole batch; very short answers among long ones are "
        "often incomplete." + (f" {'; '.join(told)}." if told else ""),
        remedy="check them; tuiftune data clean can drop or truncate them",
        show="answer" if subject.format == "text" else "prompt",
    )


def outliers(size: NDArray[np.integer]) -> NDArray[np.intp]:
    """Positions of sizes (characters, 0 = empty and not judged) more than 5 robust deviations and 4 times
    off.
    """
    filled = size > 0
    if filled.sum() < 20:
        return np.empty(0, dtype=np.intp)
    logs = np.log(np.maximum(size, 1))
    middle = np.median(logs[filled])
    spread = max(1.4826 * float(np.median(np.abs(logs[filled] - middle))), 0.1)
    distance = np.abs(logs - middle)
    return np.flatnonzero(filled & (distance > DEVIATIONS * spread) & (distance > np.log(TIMES)))


def _range(sizes: NDArray[np.integer]) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"outliers {low:,}" if low == high else f"outliers {low:,} to {high:,}"


def cut_rows(subject: Subject) -> Iterator[Check]:
    """truncation (in answer tokens lost), muted-turns and nothing-to-train."""
    found = truncation(subject.dataset, subject.lengths, subject.max_length, subject.tokenizer)
    share = found.answer_tokens_lost / max(1, found.answer_tokens)
    sampled = len(subject.lengths.indices) < int(subject.dataset.usable.sum())
    of = f" (in {len(subject.lengths.indices):,} rows checked)" if sampled else ""
    yield subject.verdict(
        "truncation",
        f"Truncated at max length {subject.max_length:,}",
        "error" if share > 0.05 else "warning",
        found.rows,
        why=f"{found.answer_tokens_lost:,} answer tokens ({share:.1%}) are truncated{of}. Truncated answers "
        f"train the model to "
        f"stop mid-sentence. Lengths are {subject.lengths.basis}.",
        remedy=f"raise data.max_length (longest row: {int(subject.lengths.total.max(initial=0)):,}), "
        f"or drop these rows",
        show="answer" if subject.format == "text" else "prompt",
    )
    chats = subject.format in ("chat", "sharegpt")
    # A row of another format among chats has no messages, and its answer elsewhere.
    unanswered = pl.col("messages").is_not_null() & ~_answers(muted=False)
    silent = subject.where(unanswered) if chats else np.empty(0, dtype=np.intp)
    if chats:
        yield _muted_turns(subject)
    nothing = np.union1d(found.nothing_left, silent).astype(np.intp)
    yield subject.verdict(
        "nothing-to-train",
        "Rows without trained tokens",
        "error",
        nothing,
        why="The prompt fills max length, or all answers have weight 0. These rows add cost but no "
        "training signal.",
        remedy="raise data.max_length, shorten the prompts, or drop the rows",
        show="prompt",
    )


def _answers(*, muted: bool) -> pl.Expr:
    """Whether a chat has an assistant turn that its source keeps out of the loss (or one that it doesn't)."""
    turn = pl.element().struct
    switched = (turn["role"] == "assistant") & ((turn["weight"].fill_null(1.0) == 0) == muted)
    return pl.col("messages").is_not_null() & pl.col("messages").list.eval(switched).list.any()


def _muted_turns(subject: Subject) -> Check:
    return subject.verdict(
        "muted-turns",
        "Answers kept out of the loss",
        "info",
        subject.where(_answers(muted=True)),
        why="These answers have weight 0 or train: false. They are context only, not trained on.",
        remedy="nothing if that is intended; otherwise remove the weights from the rows",
    )
