"""A model's tokenizer and chat template in a process with limits, kept warm. tuiftune's own need none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tuiftune import assets, paths
from tuiftune.data.chat.local import ask_engine
from tuiftune.errors import UserError
from tuiftune.fence.limits import BYTES_A_BYTE, MIB, Allowance
from tuiftune.fence.process import Asked, Fence, Open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tuiftune.data.chat.tokenize import RowTokenizer
    from tuiftune.data.example import Example

    Key = tuple[str, str, tuple[tuple[int, int], ...]]

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "config.json",
)
KEPT = 2  # processes
BATCH = 1024  # rows asked about at once …
BATCH_CHARACTERS = 2 * MIB  # … and their text, but for a row that is longer by itself
UNCUT = 1 << 40  # tokens: longer than any row

_warm: dict[Key, Asked | UserError] = {}
_lock = threading.Lock()


def tokenizer(folder: Path, loss_on: str = "assistant", reasoning: str = "keep") -> Asked:
    """Return what answers questions about the tokenizer of a local model directory.

    UserError in one line when its files can't be read within the limits; the same again, at once, for as long
    as they stay as they are.
    """
    key = (str(folder), f"{loss_on} {reasoning}", _signature(folder))
    with _lock:
        known = _warm.pop(key, None)
        if known is None:
            known = _made(folder, loss_on, reasoning)
            for old in list(_warm)[: max(0, len(_warm) + 1 - KEPT)]:
                gone = _warm.pop(old)
                if not isinstance(gone, UserError):
                    gone.close()
        _warm[key] = known
    if isinstance(known, UserError):
        raise known
    return known


def forget() -> None:
    """End the processes that are kept warm."""
    with _lock:
        for known in _warm.values():
            if not isinstance(known, UserError):
                known.close()
        _warm.clear()


def _made(folder: Path, loss_on: str, reasoning: str) -> Asked | UserError:
    if folder == assets.BASE:
        return Open(_read(folder, loss_on, reasoning))
    size = sum(size for _, size in _signature(folder))
    allowed = Allowance.of(size=size)
    allowed = Allowance(allowed.seconds, allowed.memory + BYTES_A_BYTE // 4 * size)
    try:
        ask_engine(folder)
        return Fence(_read, folder, loss_on, reasoning, place=str(folder), allowed=allowed)
    except UserError as fault:
        return fault


def _read(folder: Path, loss_on: str, reasoning: str) -> RowTokenizer:
    from tuiftune.data.chat.local import read_tokenizer

    return read_tokenizer(folder, max_length=UNCUT, loss_on=loss_on, reasoning=reasoning)


def _signature(folder: Path) -> tuple[tuple[int, int], ...]:
    """What changes with the files: when and how long each is."""
    found = []
    for name in FILES:
        seen = paths.look(folder / name)
        found.append((seen.st_mtime_ns, seen.st_size) if seen else (0, 0))
    return tuple(found)


def batches(examples: Iterable[Example]) -> Iterator[tuple[list[Example], int]]:
    """Rows that are asked about together, and the size of their text: first one alone, which shows at once
    what no row gets through.
    """
    batch: list[Example] = []
    held, most = 0, 1
    for example in examples:
        size = text_of(example)
        if batch and (len(batch) == most or held + size > BATCH_CHARACTERS):
            yield batch, held
            batch, held, most = [], 0, BATCH
        batch.append(example)
        held += size
    if batch:
        yield batch, held


def text_of(example: Example) -> int:
    """Characters of a row's text; of a comparison, those of both sides."""
    found = len(example.text or "") + len(example.chosen or "") + len(example.rejected or "")
    sides = 1 if example.chosen is None else 2
    return found + sides * sum(len(message.content) for message in example.messages or ())
