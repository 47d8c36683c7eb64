"""The first rows of a Hub dataset, streamed: what is not asked for is not downloaded."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tuiftune.data.read.kinds import SUFFIX_KINDS, suffix_of
from tuiftune.errors import UserError
from tuiftune.hub import remote as remotes
from tuiftune.hub.faults import told
from tuiftune.outputs import STANDARD, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.hub.remote import Remote, RemoteFile

BATCH = 1_000  # rows of a Parquet file at once
SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "table": ".jsonl", "text": ".txt"}


def write_part(
    remote: Remote, files: Sequence[RemoteFile], rows: int, output: Path, count: Callable[[int], None]
) -> int:
    """Write the first rows of the files, in their order, and return how many there were.

    JSON lines, CSV and text stay as they are; rows of Parquet become JSON lines. UserError for a format that
    can't be read from its beginning, and for an output whose suffix says another one.
    """
    kind = SUFFIX_KINDS[suffix_of(Path(files[0].name))]
    if kind == "json" or files[0].name.lower().endswith((".arrow", ".feather", ".ipc")):
        raise UserError(
            f"{files[0].name} cannot be read in parts",
            place=remote.id,
            remedy=f"download all of it: tuiftune download hf:{remote.id}",
        )
    wanted = {SUFFIXES[kind], f"{SUFFIXES[kind]}.gz"}
    if str(output) != STANDARD and output.suffix and suffix_of(output) != SUFFIXES[kind]:
        raise UserError(
            f"its rows come as {SUFFIXES[kind]}", place=str(output), remedy=f"name a {min(wanted)} file"
        )
    done = 0
    with writing(output) as target:
        packed = gzip.GzipFile(fileobj=target, mode="wb") if output.suffix == ".gz" else None
        try:
            for record in _records(remote, files, kind, rows):
                (packed or target).write(record)
                done += 1
                count(min(done, rows))
        except Exception as fault:
            if isinstance(fault, UserError):
                raise
            if error := told(fault, remote.kind, remote.id, remote.revision, remote.id):
                raise error from None
            raise
        finally:
            if packed is not None:
                packed.close()
    return done - 1 if kind == "csv" and done else done


def _records(remote: Remote, files: Sequence[RemoteFile], kind: str, rows: int) -> Iterator[bytes]:
    """Yield rows as they are to be written; of CSV the header line first, which counts as none."""
    left, header = rows, None
    for one in files:
        with _opened(remote, one) as stream:
            found = _of_parquet(stream, left) if kind == "table" else _of_lines(stream, kind)
            if kind == "csv":
                first = next(found, None)
                if first is None:
                    continue
                if header is None:
                    header = first
                    yield first
                elif first != header:
                    raise UserError(f"{one.name} has other columns than the first file", place=remote.id)
            for record in found:
                if not left:
                    return
                yield record
                left -= 1
        if not left:
            return


def _opened(remote: Remote, one: RemoteFile) -> BinaryIO:
    """A file of the Hub that downloads what is read of it."""
    from huggingface_hub import HfFileSystem

    system = HfFileSystem(endpoint=remotes.endpoint(), skip_instance_cache=True)
    kind = "datasets/" if remote.kind == "dataset" else ""
    raw: Any = system.open(f"{kind}{remote.id}@{remote.commit}/{one.name}", "rb", block_size=2**18)
    if one.name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if one.name.endswith((".zst", ".zstd")):
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, closefd=True))
    return io.BufferedReader(raw)


def _of_lines(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    """Yield lines that are not empty; a record of CSV goes on while a quote is open."""
    open_, quotes = b"", 0
    for line in stream:
        if kind != "csv":
            if line.strip():
                yield line if line.endswith(b"\n") else line + b"\n"
            continue
        open_ += line
        quotes += line.count(b'"')
        if quotes % 2 == 0 and open_.strip():
            yield open_ if open_.endswith(b"\n") else open_ + b"\n"
            open_, quotes = b"", 0
    if open_.strip():
        yield open_


def _of_parquet(stream: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield rows as JSON lines. Only the row groups that hold them are downloaded."""
    import pyarrow.parquet as parquet

    file, left = parquet.ParquetFile(stream), most
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
            for row in batch.to_pylist():
                yield json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n"
            left -= len(batch)
            if left <= 0:
                return
