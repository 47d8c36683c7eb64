"""What every answer says for and against each approach, with its sources: the table behind a recommendation.

Which way a signal points is its sources'. How far it moves the recommendation is this program's judgement: 3
decides unless something speaks against it, 2 is strong, 1 leans; a negative number argues against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune import sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.sources import Source

PROMPT, RAG, TUNE = "prompt", "rag", "fine-tune"
APPROACHES: tuple[str, ...] = (PROMPT, RAG, TUNE)  # cheapest first: that order breaks ties


@dataclass(frozen=True, slots=True)
class View:
    """What some sources say of a signal. Several views of one are a disagreement, counted at their mean."""

    sources: tuple[str, ...]
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


def _view(points: Mapping[str, int], says: str, *by: Source | str) -> View:
    return View(tuple(str(one) for one in by), points, says)


def _one(question: str, option: str, points: Mapping[str, int], says: str, *by: Source | str) -> Signal:
    return Signal(question, {question: (option,)}, (_view(points, says, *by),))


_PROMPT_FIRST = "a prompt with a few examples needs no training, so try that first"
_FORMAT = "ask for the format in the prompt, with examples, first"
_LOOK_UP = "RAG is more reliable for facts than fine-tuning, and can be updated"
SIGNALS: tuple[Signal, ...] = (
    Signal("", {}, (_view({PROMPT: 1, TUNE: -1}, _PROMPT_FIRST, sources.GPT3),)),
    _one(
        "task",
        "classify",
        {TUNE: 3},
        "with fixed labels, small fine-tuned models beat large prompted ones, at a lower cost per call",
        sources.SMALL_CLASSIFIERS,
    ),
    Signal(
        "task",
        {"task": ("format",), "volume": ("high", "urgent")},
        (
            _view({PROMPT: 3}, _FORMAT, sources.GPT3),
            _view({TUNE: 3}, "a strict format is learned from about 1,000 curated rows", sources.LIMA),
        ),
        topic="a strict output format at high volume",
    ),
    Signal(
        "task", {"task": ("format",), "volume": ("", "low")}, (_view({PROMPT: 2}, _FORMAT, sources.GPT3),)
    ),
    _one(
        "task",
        "style",
        {TUNE: 3},
        "a consistent style is learned from about 1,000 curated rows",
        sources.LIMA,
    ),
    Signal(
        "task",
        {"task": ("knowledge",), "language": ("dense",)},
        (
            _view({RAG: 3}, _LOOK_UP, sources.INJECTION),
            _view(
                {TUNE: 3},
                "a base model that lacks the vocabulary gains from its raw text",
                sources.DOMAIN_TEXT,
            ),
        ),
        topic="knowledge in a language that the base model lacks",
    ),
    Signal(
        "task",
        {"task": ("knowledge",), "language": ("", "ordinary", "terms")},
        (_view({RAG: 3}, _LOOK_UP, sources.INJECTION),),
    ),
    _one(
        "task",
        "reasoning",
        {TUNE: 1},
        "models learn to reason from worked examples",
        sources.REPETITION,
    ),
    _one(
        "task",
        "general",
        {PROMPT: 3},
        "instruction-tuned base models answer general questions well",
        sources.INSTRUCT_GPT,
    ),
    _one(
        "task",
        "prototype",
        {PROMPT: 3},
        "a one-off task or a quick trial is not worth a training run",
        sources.DEFAULT,
    ),
    _one("facts", "request", {RAG: -1}, "there is nothing to look up", sources.DEFAULT),
    _one("facts", "model", {PROMPT: 1}, "the base model knows the facts already", sources.DEFAULT),
    _one("facts", "documents", {RAG: 3}, "documents and databases are best looked up", sources.RAG),
    _one("changes", "monthly", {RAG: 2}, "with RAG, new facts need a new file, not a new run", sources.RAG),
    _one(
        "changes",
        "weekly",
        {RAG: 3, TUNE: -1},
        "fine-tuning cannot keep up with weekly changes; an index can",
        sources.RAG,
    ),
    _one("citations", "helpful", {RAG: 1}, "only RAG can cite its sources", sources.RAG),
    _one(
        "citations",
        "required",
        {RAG: 3},
        "only RAG can cite; fine-tuning on new facts encourages hallucination",
        sources.RAG,
        sources.NEW_FACTS,
    ),
    _one(
        "examples",
        "few",
        {PROMPT: 3, TUNE: -3},
        "fewer than about 100 examples do more in the prompt",
        sources.GPT3,
        sources.PRACTITIONERS,
    ),
    _one(
        "examples",
        "hundreds",
        {PROMPT: 1},
        "100 to 500 examples are the least that fine-tuning learns from",
        sources.PRACTITIONERS,
    ),
    _one("examples", "thousands", {TUNE: 2}, "1,000 curated examples can teach a task", sources.LIMA),
    _one("examples", "many", {TUNE: 3}, "enough for most tasks, if they are good", sources.LIMA),
    _one("tried", "nothing", {PROMPT: 2, TUNE: -1}, _PROMPT_FIRST, sources.GPT3),
    _one("tried", "prompting", {PROMPT: -1, TUNE: 1}, "prompting was tried, and fell short", sources.DEFAULT),
    _one(
        "tried",
        "everything",
        {PROMPT: -2, TUNE: 2},
        "the cheaper approaches were tried, and fell short",
        sources.DEFAULT,
    ),
    _one("tried", "enough", {PROMPT: 3, TUNE: -2}, "what works needs no training", sources.DEFAULT),
    _one(
        "volume",
        "high",
        {PROMPT: -1, TUNE: 2},
        "a long prompt costs money at every call; a fine-tuned model needs a short one",
        sources.DEFAULT,
    ),
    _one(
        "volume",
        "urgent",
        {RAG: -1, TUNE: 2},
        "a smaller fine-tuned model answers faster",
        sources.SMALL_CLASSIFIERS,
    ),
    Signal(
        "language",
        {"language": ("terms",)},
        (
            _view({RAG: 1}, "terms can be looked up", sources.RAG),
            _view({TUNE: 1}, "a vocabulary that the base model lacks can be trained", sources.DOMAIN_TEXT),
        ),
        topic="special terms",
    ),
    Signal(
        "language",
        {"language": ("dense",)},
        (_view({TUNE: 2}, "continued pre-training on the raw text, then examples", sources.DOMAIN_TEXT),),
        pretraining=True,
    ),
    _one(
        "preferences",
        "yes",
        {TUNE: 1},
        "preference pairs improve answers after supervised fine-tuning",
        sources.INSTRUCT_GPT,
        sources.DPO,
    ),
)
# Fine-tuning and RAG are both recommended if the weaker of them beats prompting, and reaches this many points
# and this share of the stronger.
COMBINE_AT = 3.0
COMBINE_SHARE = 0.5
# The margin over the runner-up, as a share of all points given: how certain the recommendation is.
CLEAR, LIKELY = 0.3, 0.1
ENOUGH_ANSWERS = 3
