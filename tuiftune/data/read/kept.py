"""Rows as they were read, in files that are mapped into memory: many of them are read once, and never held.

The cache entry of a reading belongs to its files' content and places, to what was asked for, and to the code.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuiftune import spool
from tuiftune.cache import content, place
from tuiftune.cache.clearing import trim
from tuiftune.cache.entry import hold
from tuiftune.data.dataset import Dataset
from tuiftune.data.detect.formats import Recognition
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import polars as pl

    from tuiftune.cache.entry import Entry
    from tuiftune.data.read.files import SourceFile
    from tuiftune.data.read.part import Wanted

KIND = "read"
CODE = ("data",)
MANY_BYTES = 32 << 20  # of all files together: fewer are read faster than they are looked up
FILE_BYTES = 64 << 20  # of rows in a file of the cache
BATCH_ROWS = 65_536  # in a piece of such a file
GROWTH, PACKED_GROWTH = 3, 20  # bytes in the cache a byte of a file, and of a compressed one
PACKED = (".gz", ".zst", ".zstd", ".parquet", ".pq")
SPARE_BYTES = 1 << 30
USABLE = "usable.arrow"


class Keeping:
    """A reading that is, or will be, in the cache."""

    def __init__(self, entry: Entry, key: str, sources: Sequence[SourceFile]) -> None:
        self._entry, self._key, self._sources = entry, key, sources
        self._before = _witnesses(sources)
        self._names: dict[int, str] = {}  # of files, by the frame that they hold
        self._count = 0

    def found(self) -> Dataset | None:
        """What was read before; None where it wasn't."""
        document = self._entry.document()
        if document is None:
            self._entry.clear()  # what an interrupted reading left
            return None
        import polars as pl

        frames = [_mapped(self._entry.path / name) for name in document["frames"]]
        made = Dataset(
            Recognition(
                **{**document["recognition"], "evidence": tuple(document["recognition"]["evidence"])}
            ),
            pl.concat(frames, rechunk=False),
            [source.path for source in self._sources],
            document["source_columns"],
            document["lost"],
            document["notes"],
        )
        vars(made)["kept"] = self._key
        vars(made)["usable"] = _mapped(self._entry.path / USABLE).to_series()
        self._entry.share()
        return made

    def fits(self) -> bool:
        """Whether the disk has room for a reading that isn't there yet."""
        packed = any(source.path.suffix in PACKED for source in self._sources)
        size = content.sizes(source.path for source in self._sources)
        return place.free(place.root()) >= size * (PACKED_GROWTH if packed else GROWTH) + SPARE_BYTES

    def put(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        """Write rows, and return them mapped into memory. UserError where the disk is full."""
        import polars as pl

        name = f"{self._count:05d}.arrow"
        self._count += 1
        whole = pl.concat(frames, rechunk=False)
        try:
            whole.write_ipc(self._entry.path / name, record_batch_size=BATCH_ROWS)
        except (OSError, pl.exceptions.PolarsError) as fault:
            raise UserError(
                f"rows cannot be written ({str(fault).splitlines()[0]})",
                place=str(self._entry.path),
                remedy=f"free some space, name another disk in {place.DIRECTORY}, or set {place.LIMIT}=0",
                exit_code=ExitCode.DISK_FULL,
            ) from fault
        mapped = _mapped(self._entry.path / name)
        self._names[id(mapped)] = name
        return mapped

    def seal(self, dataset: Dataset, frames: list[pl.DataFrame]) -> Dataset:
        """Keep a reading for the next time, unless a line of it is no row, or a file was written meanwhile:
        then what is mapped goes with this process.
        """
        if dataset.malformed.count or _witnesses(self._sources) != self._before:
            self.drop()
            return dataset
        import polars as pl

        names = [self._names[id(frame)] for frame in frames]
        pl.DataFrame({"usable": dataset.usable}).write_ipc(self._entry.path / USABLE)
        document = {
            "recognition": asdict(dataset.recognition),
            "source_columns": dataset.source_columns,
            "lost": dataset.lost,
            "notes": dataset.notes,
            "frames": names,
        }
        for number in range(self._count):
            if (name := f"{number:05d}.arrow") not in names:  # of a reading that was begun again
                (self._entry.path / name).unlink(missing_ok=True)
        self._entry.seal(document, [*names, USABLE])
        self._entry.share()
        trim(place.limit())
        vars(dataset)["kept"] = self._key
        return dataset

    def drop(self) -> None:
        """Keep nothing."""
        self._entry.clear()
        self._entry.close()


def keeping(sources: Sequence[SourceFile], wanted: Wanted, waiting: Callable[[], None]) -> Keeping | None:
    """Where a reading of these files is kept; None where they are small, a stream, or cannot be kept."""
    size = content.sizes(source.path for source in sources)
    if size < MANY_BYTES or any(spool.is_stream(source.path) for source in sources) or not place.limit():
        return None
    with suppress(OSError, UserError):  # what is wrong with a file is said where it is read
        asked = (wanted.format, sorted((wanted.columns or {}).items()), wanted.system)
        files = [(str(one.path), one.kind, content.of_file(one.path)) for one in sources]
        key = content.key_of(content.of_code(CODE), _versions(), files, asked)
        return Keeping(hold(KIND, key, waiting), key, sources)
    return None


def held_by(dataset: Dataset, kind: str, *parts: Any) -> Entry | None:
    """The entry of something that follows from a kept reading and `parts`; None where it isn't kept."""
    if not dataset.kept:
        return None
    with suppress(UserError):
        return hold(kind, content.key_of(content.of_code(CODE), dataset.kept, parts))
    return None


def _mapped(path: Path) -> pl.DataFrame:
    """A file's rows where they lie: polars' own reader copies them."""
    import polars as pl
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _versions() -> tuple[str, ...]:
    import polars as pl
    import pyarrow as pa

    return pl.__version__, pa.__version__


def _witnesses(sources: Sequence[SourceFile]) -> list[tuple[int, ...]]:
    return [content.witness(source.path) for source in sources]
