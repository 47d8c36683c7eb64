"""What every answer says for and against each approach: the table behind the verdict, with its sources.

Which way a signal points is the guides' (A a practitioner's guide with case studies, B a code-first guide,
C an engineering handbook, D a when-to-fine-tune handbook). How far it moves the verdict is this program's
judgement: 3 decides unless something speaks against it, 2 is strong, 1 leans; a negative number argues
against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT, RAG, TUNE = "prompt", "rag", "fine-tune"
APPROACHES: tuple[str, ...] = (PROMPT, RAG, TUNE)  # cheapest first: that order breaks ties
HOUSE = "tuiftune"
GUIDES = "the guides"  # said without naming one


@dataclass(frozen=True, slots=True)
class View:
    """What some guides say of a signal. Several views of one are a disagreement, counted at their mean."""

    guides: tuple[str, ...]
    points: Mapping[str, int]
    says: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Holds when every question in `when` was answered with one of the options; always when it is empty."""

    question: str
    when: Mapping[str, tuple[str, ...]]
    views: tuple[View, ...]
    topic: str = ""  # what the views disagree on, where there are several
    pretraining: bool = field(default=False)  # raw text comes first


def _one(question: str, option: str, points: Mapping[str, int], says: str, *guides: str) -> Signal:
    return Signal(question, {question: (option,)}, (View(guides, points, says),))


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "",
        {},
        (View(("D",), {PROMPT: 1, TUNE: -1}, "fine-tuning is the last resort, not the first step"),),
    ),
    _one("task", "classify", {TUNE: 3}, "a fixed taxonomy: fast, and cheap per call", "A", "B", "D"),
    Signal(
        "task",
        {"task": ("format",), "volume": ("high", "urgent")},
        (
            View(("D",), {PROMPT: 3}, "a format is asked for in the prompt, with examples, first"),
            View(("A", "B", "C"), {TUNE: 3}, "a strict format at high volume is worth tuning"),
        ),
        topic="a strict output format at high volume",
    ),
    Signal(
        "task",
        {"task": ("format",), "volume": ("", "low")},
        (View(("D",), {PROMPT: 2}, "a format is asked for in the prompt, with examples, first"),),
    ),
    _one("task", "style", {TUNE: 3}, "a consistent voice is behaviour, which tuning teaches", "B", "D"),
    Signal(
        "task",
        {"task": ("knowledge",), "language": ("dense",)},
        (
            View(("D",), {RAG: 3}, "knowledge is looked up first: cheaper, and it can be updated"),
            View(("B",), {TUNE: 3}, "a base that lacks the vocabulary has to be trained in it"),
        ),
        topic="knowledge in a language that the base lacks",
    ),
    Signal(
        "task",
        {"task": ("knowledge",), "language": ("", "ordinary", "terms")},
        (View(("D",), {RAG: 3}, "knowledge is looked up first: cheaper, and it can be updated"),),
    ),
    _one("task", "reasoning", {TUNE: 1}, "can be trained, with 5,000–20,000 worked examples", GUIDES),
    _one("task", "general", {PROMPT: 3}, "general questions are what base models are good at", "A", "B"),
    _one("task", "prototype", {PROMPT: 3}, "a one-off or a quick trial does not repay training", "A", "B"),
    _one("facts", "request", {RAG: -1}, "nothing has to be looked up", HOUSE),
    _one("facts", "model", {PROMPT: 1}, "the base is good enough for what it knows", "A", "B"),
    _one("facts", "documents", {RAG: 3}, "documents and databases are looked up", "A", "C"),
    _one("changes", "monthly", {RAG: 2}, "changed knowledge is a changed file, not a new training", "A", "C"),
    _one("changes", "weekly", {RAG: 3, TUNE: -1}, "no training keeps up with weekly changes", "A", "C"),
    _one("citations", "helpful", {RAG: 1}, "only looked-up text can be cited", "A", "C"),
    _one("citations", "required", {RAG: 3}, "answers are checked against documents", "A", "C"),
    _one("examples", "few", {PROMPT: 3, TUNE: -3}, "below about 100, examples belong in the prompt", "B"),
    _one("examples", "hundreds", {PROMPT: 1}, "the lower end of what tuning learns from (100–500)", "B"),
    _one("examples", "thousands", {TUNE: 2}, "enough to learn a task, if they are good", GUIDES),
    _one("examples", "many", {TUNE: 3}, "enough for any task, if they are good", GUIDES),
    _one("tried", "nothing", {PROMPT: 2, TUNE: -1}, "prompting, few-shot and retrieval come first", "D"),
    _one("tried", "prompting", {PROMPT: -1, TUNE: 1}, "the first step was taken and fell short", "D"),
    _one("tried", "everything", {PROMPT: -2, TUNE: 2}, "the cheaper steps were taken and fell short", "D"),
    _one("tried", "enough", {PROMPT: 3, TUNE: -2}, "what works needs no training", "A", "B"),
    _one("volume", "high", {PROMPT: -1, TUNE: 2}, "long prompts cost too much at volume", "A", "C", "D"),
    _one("volume", "urgent", {RAG: -1, TUNE: 2}, "a smaller tuned model answers sooner", "A", "C", "D"),
    Signal(
        "language",
        {"language": ("terms",)},
        (
            View(("D",), {RAG: 1}, "terms can be looked up"),
            View(("B",), {TUNE: 1}, "a vocabulary the base lacks is trained"),
        ),
        topic="special terms",
    ),
    Signal(
        "language",
        {"language": ("dense",)},
        (View(("A", "C"), {TUNE: 2}, "continued pre-training on the raw text, then examples"),),
        pretraining=True,
    ),
    _one("preferences", "yes", {TUNE: 1}, "pairs are used after tuning on examples (DPO)", "A", "C"),
)
# Tuning and retrieval are both advised when the weaker of them beats prompting, and reaches this many points
# and this share of the stronger.
COMBINE_AT = 3.0
COMBINE_SHARE = 0.5
# The margin over the runner-up, as a share of all points given: how sure the verdict is.
CLEAR, LIKELY = 0.3, 0.1
ENOUGH_ANSWERS = 3
