"""The base's tokenizer and chat template behind a fence: read, tried and asked for every row there.

Only then does this process use them itself.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tuiftune import assets
from tuiftune.data.chat.environment import DATED
from tuiftune.data.chat.fenced import text_of
from tuiftune.data.chat.word_tokens import WordTokens
from tuiftune.data.picked import examples_of
from tuiftune.engine.model import columns
from tuiftune.engine.model.columns import EQUAL, LONG, Packed, changed, reasons
from tuiftune.fence.forked import ForkedFence
from tuiftune.fence.limits import GIB, Allowance
from tuiftune.fence.process import Asked, Open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tuiftune.data.example import Example
    from tuiftune.data.picked import Sent
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.base import EngineStage, TrainedRow

    Rows = Callable[[RowTokenizer, Sequence[Example]], Sequence[TrainedRow]]
    Room = Callable[[Sequence[Example], RowTokenizer], tuple[int, int]]

READING = Allowance(30.0, 2 * GIB)  # transformers imports more on the way
NUMBER = 8  # bytes
SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")


class Row(NamedTuple):
    """A tokenized row as it is trained on. `parts` are its columns, 8 bytes a number; `learnt` counts the
    tokens in the loss, `lost` those that max_length took away; `told` names what the template and the
    tokenizer did to it.
    """

    parts: tuple[bytes, ...]
    learnt: int
    lost: int
    truncated: bool
    teaches: bool
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A request: a tokenizer, how it renders rows, and the examples by purpose; how rows of one sequence are
    cut.
    """

    tokenizer: RowTokenizer
    rows: Rows
    examples: Mapping[str, Sequence[Example]]
    cut: str = ""


def behind_fence(
    base: Base, rows: Rows, make: Callable[[], RowTokenizer], examples: Mapping[str, Sequence[Example]]
) -> Asked:
    """What answers the questions below; to be closed. UserError where the tokenizer or template is beyond its
    limits. To be called by the main thread before a GPU is used.
    """

    def made() -> Foreign:
        os.environ["HF_HUB_OFFLINE"] = "1"
        tokenizer = make()
        tokenizer.stop_tokens()
        return Foreign(tokenizer, rows, examples)

    if base.source == str(assets.BASE):
        return Open(Foreign(make(), rows, examples))
    _fetch(base)
    import transformers.models.auto.tokenization_auto  # noqa: F401  (not on the fenced process's time)

    return ForkedFence(made, place=base.reference, allowed=READING)


def members(base: Base, half: EngineStage, make: Callable[[], RowTokenizer], count: int) -> list[Asked]:
    """The same as processes that are sent their rows, each of which computes with one thread.

    UserError as in `behind_fence`, and to be called as that is.
    """

    def made() -> Foreign:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        tokenizer = make()
        tokenizer.stop_tokens()
        tokenizer.words = WordTokens.of(tokenizer.backend)
        return Foreign(tokenizer, half.rows, {}, half.cut)

    _fetch(base)
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(assets.BASE)  # ours: what it imports, each process would import by itself
    with ExitStack() as begun:
        fences = []
        for _ in range(count):
            fences.append(ForkedFence(made, place=base.reference, allowed=READING, wait=False))
            begun.callback(fences[-1].close)
        for one in fences:
            one.wait(READING)
        begun.pop_all()
    return list(fences)


def tokenized(asked: Asked, which: str, examples: Sequence[Example], start: int, stop: int) -> list[Row]:
    """Some of the rows. UserError where the trained tokens of one can't be told."""
    batch = examples[start:stop]
    size = sum(text_of(example) for example in batch)
    return asked.ask(_tokenized, which, start, stop, rows=len(batch), size=size)


def tried(asked: Asked, which: str, examples: Sequence[Example], start: int, stop: int) -> None:
    """Do what scoring will do with some of the rows: its prompts, its room, and decoding."""
    batch = examples[start:stop]
    size = sum(text_of(example) for example in batch)
    asked.ask(_tried, which, start, stop, rows=2 * len(batch), size=2 * size)


def packed(foreign: Foreign, sent: Sent) -> Packed:
    """Rows that were sent, tokenized. Asked behind the fence."""
    examples = examples_of(sent)
    words = foreign.tokenizer.words
    if foreign.cut and words is not None:
        return columns.packed(foreign.tokenizer, words, examples, foreign.cut)
    return plainly(foreign, examples)


def plainly(foreign: Foreign, examples: Sequence[Example]) -> Packed:
    """Rows tokenized one at a time, for any stage and tokenizer."""
    pieces: list[bytes] = []
    sizes, keys, told = array("q"), array("q"), Counter[str]()
    kept = cut = lost = dropped = 0
    for row, codes in _with_told(foreign, examples):
        cut += row.truncated
        lost += row.lost
        told.update(codes)
        if not row.teaches:
            dropped += not {EQUAL, LONG} & {*codes}
            continue
        kept += 1
        before, hashed = -1, hashlib.blake2b(digest_size=NUMBER)
        for place, column in enumerate(row.parts):
            part = array("q", column)
            if len(part) != before:  # a row's labels are as many as its tokens
                before = len(part)
                pieces.append(array("q", (before,)).tobytes())
            pieces.append(part.tobytes())
            sizes.append(len(part))
            if place % 2 == 0:  # every other part is their labels
                hashed.update(part)
        keys.frombytes(hashed.digest())
    stream = b"".join(pieces)
    return Packed(
        stream, sizes.tobytes(), keys.tobytes(), len(examples), kept, cut, lost, dropped, dict(told)
    )


def identity(foreign: Foreign) -> str:
    """A digest of all that decides how a row is rendered and tokenized. Asked behind the fence."""
    tokenizer, template = foreign.tokenizer, foreign.tokenizer.template
    backend = tokenizer.backend
    now = template.now.date().isoformat() if template.now and DATED in template.source else None
    settings = (tokenizer.max_length, tokenizer.loss_on, tokenizer.own_template, tokenizer.base_stops)
    known = (template.source, sorted(template.special.items()), now, bool(backend.encode_special_tokens))
    digest = hashlib.sha256(backend.to_str().encode("utf-8", "surrogatepass"))
    digest.update(repr((settings, known)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def try_sent(foreign: Foreign, room: Room, sent: Sent) -> tuple[int, int]:
    """Do what scoring will do with rows, and return the room that their answers take. Asked behind the
    fence.
    """
    examples = examples_of(sent)
    _try(foreign.tokenizer, [example for example in examples if example.messages])
    return room(examples, foreign.tokenizer)


def measure_sent(foreign: Foreign, room: Room, sent: Sent) -> tuple[int, int]:
    """Return the room alone. Asked behind the fence."""
    return room(examples_of(sent), foreign.tokenizer)


def _tokenized(foreign: Foreign, which: str, start: int, stop: int) -> list[Row]:
    return [
        Row(
            tuple(array("q", part).tobytes() for part in row.parts),
            row.trained,
            row.lost,
            row.truncated,
            row.teaches,
            tuple(told),
        )
        for row, told in _with_told(foreign, foreign.examples[which][start:stop])
    ]


def _with_told(foreign: Foreign, examples: Sequence[Example]) -> Iterator[tuple[TrainedRow, list[str]]]:
    """Rows with what the template and the tokenizer did to each; of a document in pieces, with the first."""
    before = None
    for row in foreign.rows(foreign.tokenizer, examples):
        told = list(dict.fromkeys(code for side in row.sides for code in reasons(side.rendered)))
        if len(row.sides) == 2 and row.sides[0].ids == row.sides[1].ids:
            told.append(EQUAL)
        if not row.sides and not row.teaches:
            told.append(LONG)
        whole = row.sides[0].encoded if row.sides else None  # of a prompt alone there is none
        if whole is not before:
            told += changed(foreign.tokenizer.written.changed(side.text, side.encoded) for side in row.sides)
        before = whole
        yield row, told


def _tried(foreign: Foreign, which: str, start: int, stop: int) -> None:
    chats = [example for example in foreign.examples[which][start:stop] if example.messages]
    foreign.tokenizer.completion_lengths(chats)
    _try(foreign.tokenizer, chats)


def _try(tokenizer: RowTokenizer, chats: Sequence[Example]) -> None:
    for example, row in zip(chats, tokenizer.rows(chats), strict=True):
        tokenizer.answer(tokenizer.prompt(example.prompt))
        tokenizer.answer(row.ids)


def _fetch(base: Base) -> None:
    """Bring a hub model's small files here; loading them says best what is wrong where that fails."""
    if base.local:
        return
    from huggingface_hub import snapshot_download

    with suppress(OSError, ValueError):
        snapshot_download(base.source, revision=base.revision, allow_patterns=list(SMALL_FILES))
