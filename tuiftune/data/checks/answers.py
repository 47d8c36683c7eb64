"""What the answers teach: refusing, admitting, stopping mid-sentence, always opening alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.chat.reasoning import TAGS
from tuiftune.data.checks.check import Check
from tuiftune.data.excerpt import excerpt
from tuiftune.data.similar.normalized import single_spaced
from tuiftune.figures import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Subject

_CANT = r"(?:can(?:no|['’])t|cannot|am (?:un|not )able to|won['’]t|will not)"
_HELP = (
    r"(?:assist|help|fulfil|comply|provide|create|generate|answer|engage|do that|write|support|participate)"
)
REFUSAL = (
    r"(?i)^\W*(?:"
    rf"(?:i['’]?m |i am )?(?:really |very |so )?sorry,? (?:but )?(?:i {_CANT}|as an ai|that['’]s not)"
    rf"|i (?:apologi[sz]e|regret),? (?:but )?(?:i {_CANT}|as an ai)"
    rf"|unfortunately,? (?:i {_CANT}|as an ai)"
    rf"|i {_CANT} {_HELP}"
    r")|(?i)\bas an (?:ai|artificial intelligence)\b[^.\n]{0,60}?\bi "
    rf"(?:{_CANT}|do not have|don['’]t have)"
)
UNKNOWN = (
    r"(?i)^\W*(?:i (?:don['’]t|do not) (?:know|have (?:enough|that) information)|i['’]?m not sure\b"
    r"|not enough information|(?:it )?(?:cannot|can['’]t) be (?:determined|answered)|unanswerable|no answer\b"
    r"|none of the (?:above|these)"
    r"|the (?:context|text|document|passage|article|question) (?:does not|doesn['’]t)"
    r"|(?:n/?a|unknown|none|oos|other|out[ _-]of[ _-]scope)\W*$)"
)
MANY_REFUSALS = 0.05
OPENING_WORDS = 4
OPENING_SHARE = 0.1  # of the rows that open alike, above which it is a habit the model will learn
FEWEST = 20


def answers(subject: Subject) -> Iterator[Check]:
    """trailing-space, refusals, negative-examples, unfinished-answers, repeated-openings, low-diversity."""
    if subject.format not in ("text", "prompt-only"):
        yield _trailing(subject)
    if subject.format not in ("text", "classification", "prompt-only"):
        yield from _declining(subject)
        yield _unfinished(subject)
    elif subject.format == "classification":
        yield _negatives(subject)
    yield _openings(subject)
    yield _skeletons(subject)


def _trailing(subject: Subject) -> Check:
    """Answers after which white space or a line end stands, those within a conversation among them."""
    turn = pl.element().struct
    within = (turn.field("role") == "assistant") & turn.field("content").str.contains(r"\s\z")
    last = pl.any_horizontal(
        pl.col(name).str.tail(1).str.contains(r"\s").fill_null(False) for name in ("answer", "rejected")
    )
    return subject.verdict(
        "trailing-space",
        "Answers with trailing white space",
        "warning",
        subject.where(last | pl.col("messages").list.eval(within).list.any().fill_null(False)),
        why="The model learns to write the space or line break (also CRLF) before it stops. If the chat "
        "template strips it, the trained answer and the reference answer differ.",
        remedy="strip it: tuiftune data clean",
        examples=None,
    )


def _declining(subject: Subject) -> Iterator[Check]:
    refused = subject.where(pl.col("answer").str.slice(0, 400).str.contains(REFUSAL))
    share = len(refused) / max(1, subject.dataset.rows)
    yield subject.verdict(
        "refusals",
        "Refusals",
        "warning" if share > MANY_REFUSALS else "info",
        refused,
        why=f"{share:.1%} of the answers are refusals. If unintended (from another assistant), "
        f"the model learns to refuse.",
        remedy="keep intended refusals, drop the others",
    )
    yield _negatives(subject)


def _negatives(subject: Subject) -> Check:
    unknown = subject.where(pl.col("answer").str.slice(0, 200).str.contains(UNKNOWN))
    title = "Negative answers (I don't know, none of these)"
    if len(unknown):
        return subject.verdict(
            "negative-examples",
            title,
            "info",
            unknown,
            why="They train the model when not to answer, which is useful if they are few and correct.",
            remedy="",
        )
    return Check(
        "negative-examples",
        title,
        "info",
        0,
        why="No row declines to answer, so the model will always answer something.",
        remedy="add some rows that decline if you expect such questions",
        indices=unknown,
    )


def _unfinished(subject: Subject) -> Check:
    """Answers that break off in the middle of a sentence, where answers usually end with a full stop, and
    those whose reasoning is never closed.
    """
    answer = pl.col("answer").fill_null("").str.tail(160).str.strip_chars_end()
    end, last = answer.str.tail(50), answer.str.tail(1)  # far quicker than patterns that end in `$`
    prose = answer.str.len_chars() >= 80
    ended = last.str.contains("[.!?。！？…\"'”’)\\]`*}>:]")
    frame = subject.each(
        broken=prose & last.str.contains(r"[\p{L},;(-]") & ~end.str.contains("\n", literal=True),
        prose=prose,
        ended=prose & ended,
        thinking=pl.any_horizontal(_opens(one, close) for one, close in TAGS),
    )
    usual = int(frame["ended"].sum()) >= 0.8 * max(1, int(frame["prose"].sum()))
    broken = (frame["broken"] | frame["thinking"]) if usual else frame["thinking"]
    return subject.verdict(
        "unfinished-answers",
        "Truncated answers in the data",
        "warning",
        broken.arg_true().to_numpy().astype(np.intp),
        why="They stop mid-sentence while other answers end properly, or never close their reasoning, "
        "probably because of a length limit when they were made.",
        remedy="complete them or drop the rows",
        examples=None,
    )


def _opens(tag: str, close: str) -> pl.Expr:
    """Whether an answer opens its reasoning and never closes it."""
    answer = pl.col("answer").fill_null("").str.strip_chars_start()
    return answer.str.starts_with(tag) & ~answer.str.contains(close, literal=True)


def _openings(subject: Subject) -> Check:
    column = "prompt" if subject.format == "classification" else "answer"
    opening = pl.col(column).fill_null("").str.strip_chars().str.slice(0, 120).str.to_lowercase()
    words = r"^((?:[^\s]+\s+){" + str(OPENING_WORDS - 1) + r"}[^\s]+)"
    found = opening.str.extract(words, 1)
    openings = subject.each(opening=pl.when(found.is_not_null()).then(found.hash()))["opening"]
    counts = openings.drop_nulls().value_counts(sort=True)
    floor = max(FEWEST, OPENING_SHARE * subject.dataset.rows)
    common = counts.filter(pl.col("count") >= floor)
    indices: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    if common.height:
        indices = (
            openings.is_in(common["opening"].implode()).fill_null(False).arg_true().to_numpy().astype(np.intp)
        )
    shown = []
    for key, count in common.head(3).iter_rows():
        at = subject.rows_at(np.array([openings.index_of(key)], dtype=np.intp))
        shown.append((at.select(found).item(), count))
    return subject.verdict(
        "repeated-openings",
        "Repeated openings",
        "info",
        indices,
        why="Many answers start with the same words, so the model will often start like that.",
        remedy="vary them, unless you want a fixed form",
        examples=[f"{count:,} rows start with “{excerpt(words, 50)}”" for words, count in shown],
    )


def _skeletons(subject: Subject) -> Check:
    """Prompts that are one sentence with other numbers or names in it."""
    column = "answer" if subject.format == "text" else "prompt"
    skeleton = single_spaced(
        pl.col(column)
        .fill_null("")
        .str.replace_all(r"\d+(?:[.,]\d+)*", "0")
        .str.replace_all(r"[“\"«][^”\"»\n]{0,80}[”\"»]", "''")
    )
    frame = subject.each(
        skeleton=skeleton.hash(), plain=pl.col(column).hash(), words=skeleton.str.len_chars()
    )
    grouped = (
        frame.filter(pl.col("words") > 0).group_by("skeleton").agg(pl.col("plain").n_unique().alias("kinds"))
    )
    common = grouped.filter(pl.col("kinds") >= max(FEWEST // 2, 0.002 * subject.dataset.rows))["skeleton"]
    indices = frame["skeleton"].is_in(common.implode()).arg_true().to_numpy().astype(np.intp)
    share = len(indices) / max(1, subject.dataset.rows)
    return subject.verdict(
        "low-diversity",
        "Template rows (text that differs only in numbers)",
        "warning" if share > 0.2 else "info",
        indices,
        why=f"{share:.0%} of rows follow {plural(len(common), 'template')} and differ only in numbers or "
        f"quoted text, so they are less diverse than "
        "their count suggests.",
        remedy="drop some of them, or add other kinds of questions",
        show=column,
    )
