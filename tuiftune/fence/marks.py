"""The progress of a fenced process, in memory that it shares with its parent."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from enum import IntEnum

FORM = struct.Struct("<qqq")


class Stage(IntEnum):
    """What runs: ours, or what came with the model."""

    IMPORTS = 0
    READING = 1
    TEMPLATE = 2
    TOKENIZER = 3


WORDS = {
    Stage.IMPORTS: "starting the process for the tokenizer",
    Stage.READING: "reading the tokenizer",
    Stage.TEMPLATE: "the chat template",
    Stage.TOKENIZER: "the tokenizer",
}


class Marks:
    """A stage, the row it is at (0: none), and a counter that moves with every mark."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, FORM.size)
        self._count = self._row = 0

    @classmethod
    def new(cls) -> Marks:
        """In a file without a name, to be inherited."""
        with tempfile.TemporaryFile() as file:
            file.truncate(FORM.size)
            return cls(os.dup(file.fileno()))

    def put(self, stage: Stage, row: int | None) -> None:
        self._count += 1
        self._row = self._row if row is None else row
        FORM.pack_into(self._map, 0, stage, self._row, self._count)

    def read(self) -> tuple[Stage, int, int]:
        stage, row, count = FORM.unpack_from(self._map, 0)
        return Stage(stage), row, count

    def close(self) -> None:
        self._map.close()
        os.close(self.descriptor)


_own: Marks | None = None


def own(marks: Marks) -> None:
    """In a fenced process: what `at` writes to from here on."""
    global _own
    _own = marks


def at(stage: Stage, row: int | None = None) -> None:
    """Say what runs next, and for which row of its file (None: the same as before, 0: for none). Costs next
    to nothing, and nothing outside a fence.
    """
    if _own is not None:
        _own.put(stage, row)
