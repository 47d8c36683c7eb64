"""Rows as other tools read them: chat messages as OpenAI writes them, preferences and texts as TRL does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from tuiftune.data.example import Example, Message


def row(example: Example) -> dict[str, Any]:
    """`{"messages"}`, or `{"prompt", "chosen", "rejected"}`, or `{"text"}`. An answer that the source keeps
    out of the loss has `weight` 0.
    """
    if example.messages is None:
        return {"text": example.text or ""}
    if example.chosen is None or example.rejected is None:
        return {"messages": messages(example.messages)}
    chosen = messages(example.chosen_turns or ()) or [{"role": "assistant", "content": example.chosen}]
    rejected = messages(example.rejected_turns or ()) or [{"role": "assistant", "content": example.rejected}]
    return {"prompt": messages(example.messages), "chosen": chosen, "rejected": rejected}


def messages(found: Sequence[Message]) -> list[dict[str, Any]]:
    """Role and content of each message."""
    return [
        {"role": one.role, "content": one.content} | ({"weight": 0} if one.weight == 0 else {})
        for one in found
    ]


def write(examples: Iterable[Example], file: BinaryIO) -> int:
    """Write rows as JSON lines; returns how many."""
    count = 0
    for example in examples:
        file.write(json.dumps(row(example), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        count += 1
    return count
