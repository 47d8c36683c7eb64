"""Control tokens of the tokenizer inside the content: they would be read as control, not as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.checks.encoding import parts
from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.checks.check import Check, Subject

# Marks of the usual families, for when the model isn't known yet.
COMMON = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>", "<start_of_turn>",
    "<end_of_turn>", "<bos>", "<eos>", "<s>", "</s>", "<unk>", "<pad>", "[INST]", "[/INST]", "<<SYS>>",
    "<</SYS>>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|eod_id|>", "<|return|>",
    "<|channel|>", "<|message|>", "<|start|>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>", "[gMASK]", "<sop>", "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|fim_prefix|>",
    "<|fim_middle|>", "<|fim_suffix|>",
)  # fmt: skip


def tokens_of(folder: Path | None) -> tuple[str, ...]:
    """The special tokens of a local tokenizer, or the common ones."""
    from tuiftune.data.tokens import Counter, has_tokenizer

    if folder is None or not has_tokenizer(folder):
        return COMMON
    return tuple(token for token in Counter(folder).manners.special if len(token) > 2) or COMMON


def special_tokens(subject: Subject) -> Iterator[Check]:
    """special-tokens: in prompts, answers or system messages."""
    names = parts(subject)
    marks = list(tokens_of(subject.tokenizer))
    indices = subject.where(
        pl.any_horizontal(pl.col(name).str.contains_any(marks).fill_null(False) for name in names)
    )
    examples = []
    for row in subject.rows_at(indices[:3]).iter_rows(named=True):
        text = next(row[name] for name in names if row[name] and any(mark in row[name] for mark in marks))
        at = min(text.find(mark) for mark in marks if mark in text)
        examples.append(f"{row['row']}: {excerpt(text[max(0, at - 25) : at + 35], 60)}")
    yield subject.verdict(
        "special-tokens",
        "Special tokens in the text",
        "error",
        indices,
        why="The tokenizer treats them as control tokens: a message ends early, a role is forged, or the "
        "template is applied twice.",
        remedy="use the original messages (these were probably rendered before), or remove the tokens "
        "(tuiftune data clean)",
        examples=examples,
    )
