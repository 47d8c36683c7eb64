"""Rows of a dataset at some positions, made into examples when they are asked for, or sent as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from tuiftune.data.chat.fenced import text_of
from tuiftune.data.dataset import example_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example

TEXTS = ("system", "prompt", "answer", "rejected")


class Sent(NamedTuple):
    """Rows for another process: examples, or an Arrow stream of the frame with its format and files."""

    rows: list[Example] | bytes
    format: str = ""
    files: tuple[str, ...] = ()


class Portion(NamedTuple):
    """Rows that are sent together, how many they are, and the bytes of their text."""

    sent: Sent
    rows: int
    size: int


class Picked(Sequence["Example"]):
    """A sequence of examples that takes the memory of its positions alone.

    `side` says which they are of a dataset in the cache, the same for the same positions; empty elsewhere.
    """

    def __init__(self, dataset: Dataset, indices: NDArray[np.intp], side: str = "") -> None:
        self.dataset, self.indices, self.side = dataset, indices, side

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Example]:
        return self.dataset.at(self.indices)

    @overload
    def __getitem__(self, at: int) -> Example: ...
    @overload
    def __getitem__(self, at: slice) -> list[Example]: ...
    def __getitem__(self, at: int | slice) -> Example | list[Example]:
        if isinstance(at, slice):
            return list(self.dataset.at(self.indices[at]))
        return next(iter(self.dataset.at(self.indices[at : at + 1 or None])))

    def portions(self, begin: int, rows: int, size: int) -> Iterator[Portion]:
        """The rows from `begin` on, at most so many and so many bytes of text at once."""
        import numpy as np
        import polars as pl

        bytes_ = pl.sum_horizontal(pl.col(name).str.len_bytes().fill_null(0).cast(pl.Int64) for name in TEXTS)
        names = tuple(str(path) for path in self.dataset.files)
        for frame in self.dataset.pieces(self.indices[begin:]):
            sizes = frame.select(bytes_).to_series().to_numpy()
            at = 0
            while at < len(sizes):
                reached = int(np.searchsorted(np.cumsum(sizes[at : at + rows]), size, side="right"))
                count = max(1, reached)
                part = frame[at : at + count]
                stream = part.write_ipc_stream(None, compat_level=pl.CompatLevel.oldest())
                sent = Sent(stream.getvalue(), self.dataset.format, names)
                yield Portion(sent, part.height, int(sizes[at : at + count].sum()))
                at += count


def portions(examples: Sequence[Example], begin: int, rows: int, size: int) -> Iterator[Portion]:
    """Rows from `begin` on for another process, at most so many and so many bytes of text at once."""
    if isinstance(examples, Picked):
        yield from examples.portions(begin, rows, size)
        return
    batch: list[Example] = []
    held = 0
    for at in range(begin, len(examples)):
        own = text_of(examples[at])
        if batch and (len(batch) == rows or held + own > size):
            yield Portion(Sent(batch), len(batch), held)
            batch, held = [], 0
        batch.append(examples[at])
        held += own
    if batch:
        yield Portion(Sent(batch), len(batch), held)


def examples_of(sent: Sent) -> list[Example]:
    """The rows that were sent."""
    if not isinstance(sent.rows, bytes):
        return sent.rows
    import pyarrow as pa

    names = list(sent.files)
    table = pa.ipc.open_stream(sent.rows).read_all()
    return [example_of(row, sent.format, names) for row in table.to_pylist()]
