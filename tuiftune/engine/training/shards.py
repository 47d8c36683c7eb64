"""Tokenized rows in files that are mapped into memory: Arrow streams of 4 bytes a token and column.

What is digested of a row is what it has always been: for each column its tokens in 8 bytes, after their
number where it differs from that of the column before. A run that was begun with rows in memory resumes
with these.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tuiftune import documents, paths
from tuiftune.cache.entry import checksum
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tuiftune.engine.model.columns import Packed

SHARD_NUMBERS = 16 << 20  # in a file, of all columns
HEADER = -1  # marks the places of the numbers of tokens in what is digested


@dataclass
class Tally:
    """What was counted of rows: `rows` are kept of `examples` read."""

    examples: int = 0
    rows: int = 0
    cut: int = 0
    lost: int = 0
    dropped: int = 0
    told: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Packed) -> None:
        self.examples += batch.examples
        self.rows += batch.rows
        self.cut += batch.cut
        self.lost += batch.lost
        self.dropped += batch.dropped
        self.told.update(batch.told)

    def document(self) -> dict[str, Any]:
        return {**vars(self), "told": dict(self.told)}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Tally:
        return cls(**{**document, "told": Counter(document["told"])})


class Shards:
    """Batches as they come, written a file at a time; without a directory kept in memory.

    What an interrupted process has written is verified and gone on from: `tally.examples` rows are there.
    """

    def __init__(self, directory: Path | None, columns: Sequence[str]) -> None:
        self.tally = Tally()
        self.names: list[str] = []  # of the files
        self._directory, self._columns = directory, tuple(columns)
        self._digest = hashlib.sha256()
        self._tables: list[pa.Table] = []
        self._sizes: list[NDArray[np.int64]] = []
        self._numbers: list[list[NDArray[np.int32]]] = [[] for _ in columns]
        self._keys: list[bytes] = []
        self._held = 0
        if directory is not None:
            self._go_on(directory)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def add(self, batch: Packed) -> None:
        """Take the next batch. OSError where it cannot be written."""
        self._digest.update(batch.stream)
        self.tally.add(batch)
        sizes = np.frombuffer(batch.sizes, dtype=np.int64).reshape(-1, len(self._columns))
        stream = np.frombuffer(batch.stream, dtype=np.int64)
        owner = _owners(sizes)
        for column, numbers in enumerate(self._numbers):
            numbers.append(stream[owner == column].astype(np.int32))
        self._sizes.append(sizes)
        self._keys.append(batch.keys)
        self._held += int(sizes.sum())
        if self._held >= SHARD_NUMBERS:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._keys:
            return
        sizes = np.concatenate(self._sizes)
        table = self._table(sizes)
        keys = b"".join(self._keys)
        if self._directory is None:
            self._tables.append(table.append_column("key", pa.array(np.frombuffer(keys, dtype=np.int64))))
        else:
            self._write(self._directory, table, keys)
        self._sizes, self._keys, self._held = [], [], 0
        self._numbers = [[] for _ in self._columns]

    def in_memory(self) -> tuple[Any, NDArray[np.int64]]:
        """The rows and the hash of each, where there is no directory."""
        from datasets import Dataset

        self.flush()
        whole = pa.concat_tables(self._tables)
        keys = whole.column("key").to_numpy()
        return Dataset(whole.drop_columns(["key"]), fingerprint=self.digest[:32]), keys

    def _table(self, sizes: NDArray[np.int64]) -> pa.Table:
        columns = {}
        for column, name in enumerate(self._columns):
            offsets = np.concatenate([[0], np.cumsum(sizes[:, column])])
            values = pa.array(np.concatenate(self._numbers[column]))
            columns[name] = pa.LargeListArray.from_arrays(pa.array(offsets), values)
        return pa.table(columns)

    def _write(self, directory: Path, table: pa.Table, keys: bytes) -> None:
        name = f"{len(self.names) // 2:05d}"
        rows, hashes, told = (directory / f"{name}{end}" for end in (".arrow", ".keys", ".json"))
        with pa.OSFile(str(rows), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        hashes.write_bytes(keys)
        # Or in a container what isn't on disk yet takes all its memory, and all stands still for a minute.
        with rows.open("rb") as file:  # raw: written here
            os.fsync(file.fileno())
        files = {one.name: checksum(one) for one in (rows, hashes)}
        told.write_text(json.dumps({"files": files, "tally": self.tally.document()}), encoding="utf-8")
        self.names += [rows.name, hashes.name]

    def _go_on(self, directory: Path) -> None:
        """Take what whole files there are, and remove what comes after them."""
        while (tally := self._whole(directory, len(self.names) // 2)) is not None:
            self.tally = tally
            name = f"{len(self.names) // 2:05d}"
            for piece in _streams(directory / f"{name}.arrow", self._columns):
                self._digest.update(piece)
            self.names += [f"{name}.arrow", f"{name}.keys"]
        for one in paths.entries(directory):
            if one.name not in self.names and one.with_suffix(".arrow").name not in self.names:
                one.unlink()

    def _whole(self, directory: Path, number: int) -> Tally | None:
        try:
            told = documents.read_json(directory / f"{number:05d}.json")
            for name, expected in told["files"].items():
                if checksum(directory / name) != expected:
                    return None
            return Tally.of(told["tally"])
        except (UserError, OSError, ValueError, KeyError, TypeError):
            return None


def mapped(directory: Path, names: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
    """The rows of files, mapped into memory, and the hash of each."""
    from datasets import Dataset, concatenate_datasets

    parts = [Dataset.from_file(str(directory / name)) for name in names if name.endswith(".arrow")]
    keys = [np.fromfile(directory / name, dtype=np.int64) for name in names if name.endswith(".keys")]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts), np.concatenate(keys)


def _owners(sizes: NDArray[np.int64]) -> NDArray[np.int8]:
    """The column that each number of a digested stream belongs to, or HEADER."""
    rows, columns = sizes.shape
    counts = np.empty((rows, columns, 2), dtype=np.int64)
    counts[:, :, 1] = sizes
    counts[:, 0, 0] = 1
    counts[:, 1:, 0] = sizes[:, 1:] != sizes[:, :-1]
    tags = np.empty((rows, columns, 2), dtype=np.int8)
    tags[:, :, 0] = HEADER
    tags[:, :, 1] = np.arange(columns, dtype=np.int8)
    return np.repeat(tags.ravel(), counts.ravel())


def _streams(path: Path, columns: Sequence[str]) -> Iterator[bytes]:
    """What is digested of the rows of a file."""
    with pa.memory_map(str(path)) as source:
        for batch in pa.ipc.open_stream(source):
            lists = [batch.column(name) for name in columns]
            sizes = np.stack([np.diff(one.offsets.to_numpy()) for one in lists], axis=1)
            owner = _owners(sizes)
            stream = np.empty(len(owner), dtype=np.int64)
            fresh = np.ones(sizes.shape, dtype=bool)
            fresh[:, 1:] = sizes[:, 1:] != sizes[:, :-1]
            stream[owner == HEADER] = sizes[fresh]
            for column, one in enumerate(lists):
                stream[owner == column] = one.flatten().to_numpy()
            yield stream.tobytes()
