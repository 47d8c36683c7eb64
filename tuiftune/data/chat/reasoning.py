"""Reasoning written into an answer: `<think>…</think>` and its relatives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<unused94>thought", "<unused95>"),
)
"""Of Qwen3, DeepSeek-R1, GLM-4.5, Granite and others; Claude-like traces; Seed-OSS; Magistral; Command A;
Kimi; MedGemma."""

CLOSED = re.compile("|".join(re.escape(close) for _, close in TAGS))


@dataclass(frozen=True, slots=True)
class Thought:
    """An answer in two: `block` with its tags, the `reasoning` inside it, and the `answer` that follows."""

    block: str
    reasoning: str
    answer: str
    opened: bool  # the block brings its own opening tag
    open: str
    close: str


def thought(content: str) -> Thought | None:
    """The reasoning at the beginning of an answer; None where there is none, or it is never closed."""
    found = CLOSED.search(content)
    if found is None:
        return None
    opening, close = next(pair for pair in TAGS if pair[1] == found[0])
    head = content[: found.start()]
    before, opened, inside = head.partition(opening)
    if opened and before.strip():  # a tag that is quoted in the middle of an answer
        return None
    return Thought(
        content[: found.end()],
        (inside if opened else head).strip(),
        content[found.end() :],
        bool(opened),
        opening,
        close,
    )


def opened(prompt: str) -> tuple[str, str] | None:
    """The tags of the reasoning that an inference prompt leaves open, such as `<think>` and `</think>`."""
    bare = prompt.rstrip()
    return next((pair for pair in TAGS if bare.endswith(pair[0])), None)


def closed(prompt: str) -> bool:
    """Return True if an inference prompt ends with the end of reasoning: a template that thinks if asked."""
    return prompt.rstrip().endswith(tuple(close for _, close in TAGS))


def without(text: str) -> str:
    """An answer without its reasoning: what follows the last closing tag of a block at its beginning."""
    while (found := thought(text)) is not None:
        text = found.answer
    return text


def composed(text: str) -> str:
    """A text with each letter and its accents as one character (NFC). Qwen's tokenizers and others write no
    other form, whichever the data has: both are the same text (Unicode Standard Annex 15).
    """
    return normalize("NFC", text)


def matches(answer: str, reference: str) -> bool:
    """Equal but for white space, for how accents are encoded, and for the reasoning before a reference."""
    return composed(answer).split() == composed(without(reference)).split()
