"""The base's tokenizer and chat template behind a fence: read, tried and asked for every row there.

Only then does this process use them itself.
"""

from __future__ import annotations

import os
from array import array
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tuiftune import assets
from tuiftune.data.chat.fenced import text_of
from tuiftune.fence.forked import ForkedFence
from tuiftune.fence.limits import GIB, Allowance
from tuiftune.fence.process import Asked, Open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tuiftune.data.chat.spans import Rendered
    from tuiftune.data.example import Example
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import Tokeniser
    from tuiftune.engine.stages.base import TrainedRow

    Rows = Callable[[Tokeniser, Sequence[Example]], Sequence[TrainedRow]]

READING = Allowance(30.0, 2 * GIB)  # transformers imports more on the way
SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")


class Row(NamedTuple):
    """A tokenized row as it is trained on. `parts` are its columns, 8 bytes a number; `learnt` counts the
    tokens in the loss, `lost` those that max_length took away; `told` names what the template did to it.
    """

    parts: tuple[bytes, ...]
    learnt: int
    lost: int
    truncated: bool
    teaches: bool
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A request: a tokenizer, how it renders rows, and the examples by purpose."""

    tokeniser: Tokeniser
    rows: Rows
    examples: Mapping[str, Sequence[Example]]


def behind_fence(
    base: Base, rows: Rows, make: Callable[[], Tokeniser], examples: Mapping[str, Sequence[Example]]
) -> Asked:
    """What answers the questions below; to be closed. UserError where the tokenizer or template is beyond its
    limits. To be called by the main thread before a GPU is used.
    """

    def made() -> Foreign:
        os.environ["HF_HUB_OFFLINE"] = "1"
        tokeniser = make()
        tokeniser.stop_tokens()
        return Foreign(tokeniser, rows, examples)

    if base.source == str(assets.BASE):
        return Open(Foreign(make(), rows, examples))
    _fetch(base)
    import transformers.models.auto.tokenization_auto  # noqa: F401  (not on the fenced process's time)

    return ForkedFence(made, place=base.reference, allowed=READING)


def tokenised(asked: Asked, which: str, examples: Sequence[Example], start: int, stop: int) -> list[Row]:
    """Some of the rows. UserError where the trained tokens of one can't be told."""
    batch = examples[start:stop]
    size = sum(text_of(example) for example in batch)
    return asked.ask(_tokenised, which, start, stop, rows=len(batch), size=size)


def tried(asked: Asked, which: str, examples: Sequence[Example], start: int, stop: int) -> None:
    """Do what scoring will do with some of the rows: its prompts, its room, and decoding."""
    batch = examples[start:stop]
    size = sum(text_of(example) for example in batch)
    asked.ask(_tried, which, start, stop, rows=2 * len(batch), size=2 * size)


def _tokenised(foreign: Foreign, which: str, start: int, stop: int) -> list[Row]:
    return [
        Row(
            tuple(array("q", part).tobytes() for part in row.parts),
            row.trained,
            row.lost,
            row.truncated,
            row.teaches,
            tuple(dict.fromkeys(told for side in row.sides for told in _told(side.rendered))),
        )
        for row in foreign.rows(foreign.tokeniser, foreign.examples[which][start:stop])
    ]


def _told(rendered: Rendered) -> Iterator[str]:
    if rendered.kept:
        yield "reasoning_kept"
    if rendered.cut:
        yield "reasoning_cut"
    if rendered.rewritten:
        yield "answers_rewritten"


def _tried(foreign: Foreign, which: str, start: int, stop: int) -> None:
    tokeniser = foreign.tokeniser
    chats = [example for example in foreign.examples[which][start:stop] if example.messages]
    tokeniser.completion_lengths(chats)
    for example in chats:
        tokeniser.answer(tokeniser.prompt(example.prompt))
        tokeniser.answer(tokeniser.rows([example])[0].ids)


def _fetch(base: Base) -> None:
    """Bring a hub model's small files here; loading them says best what is wrong where that fails."""
    if base.local:
        return
    from huggingface_hub import snapshot_download

    with suppress(OSError, ValueError):
        snapshot_download(base.source, revision=base.revision, allow_patterns=list(SMALL_FILES))
