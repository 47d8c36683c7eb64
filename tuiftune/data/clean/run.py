"""A clean run from end to end: repair, removal, split, files, manifest, and the account of all changes."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from tuiftune import paths, spool
from tuiftune.data.clean.labels import Labels, merged
from tuiftune.data.clean.merge import Duplicates, with_systems
from tuiftune.data.clean.partition import NAMES, parse_shares, partition
from tuiftune.data.clean.removal import MERGED, NEAR_MERGED, Outliers, Removal, kept, removals, trimmed
from tuiftune.data.clean.repair import Change, Mask, repaired
from tuiftune.data.excerpt import excerpt
from tuiftune.data.read.write import as_row, write_files
from tuiftune.documents import opened
from tuiftune.errors import UserError
from tuiftune.outputs import is_stream, unwritable
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset

MALFORMED = "malformed line"
OTHER_FORMATS = frozenset(
    {".csv", ".tsv", ".parquet", ".xlsx", ".arrow", ".feather", ".gz", ".zst", ".bz2", ".xz", ".zip", ".txt"}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What to do. `split` is like 80/10/10; `against` an evaluation set whose rows must not stay.

    `drop` are checks whose flagged rows go, see `flagged.DROPPABLE`.
    """

    mask: Mask = "secrets"
    near: bool = False
    duplicates: Duplicates = "drop"
    outliers: Outliers = "keep"
    split: str | None = None
    against: str | None = None
    seed: int = 42
    drop: tuple[str, ...] = ()
    labels: Labels = "keep"


@dataclass(frozen=True, slots=True)
class Account:
    """Summary of a cleaning: dropped rows by reason, changed rows, files written with rows and SHA-256.

    `about` is the manifest's content; manifest and changes become files only next to a regular output.
    """

    rows: int
    written: dict[Path, tuple[int, str]]
    manifest: Path | None
    changes_file: Path | None
    removed: list[Removal]
    changes: list[Change]
    dataset: Dataset
    about: dict[str, Any]


def clean(
    dataset: Dataset,
    output: Path,
    settings: Settings,
    watch: Callable[[str, float], None] | None = None,
    *,
    dry_run: bool = False,
) -> Account:
    """Write the repaired rows to `output` (or OUTPUT.train.jsonl … with a split), a manifest and the list of
    changes; to a stream only the rows. With `dry_run` nothing is written, and there are no digests.

    All files appear together or none. Raises UserError when nothing would be left, the output is an original,
    or its name promises a format other than JSONL.
    """
    check_output(dataset, output, several="--split" if settings.split else "")
    stream = is_stream(output)
    shares = parse_shares(settings.split) if settings.split else None
    mended, changes, removed, stay = survey(dataset, settings, watch)
    if not len(stay):
        raise UserError(
            "no row would be left", place=str(output), remedy="check the data with tuiftune data inspect"
        )
    parts = {output: stay}
    if shares:
        told = (lambda done: watch("splitting", done)) if watch else None
        split = partition(mended, stay, shares, settings.seed, told).rows
        parts = {beside(output, f".{name}.jsonl"): rows for name, rows in zip(NAMES, split, strict=False)}
    changes_file = None if stream else beside(output, ".changes.jsonl")
    manifest = None if stream else beside(output, ".manifest.json")
    files: dict[Path, Iterable[dict[str, Any]]] = {
        path: (as_row(example) for example in mended.at(rows)) for path, rows in parts.items()
    }
    if changes_file is not None:
        files[changes_file] = _account_rows(dataset, mended, removed, changes)

    def describe(done: dict[Path, tuple[int, str]]) -> dict[str, Any]:
        return _manifest(dataset, settings, removed, changes, {path: done[path] for path in parts})

    written = {path: (len(rows), "") for path, rows in parts.items()}
    if dry_run:
        manifest = changes_file = None
    else:
        written = write_files(files, manifest, describe)
    return Account(
        dataset.rows,
        {path: written[path] for path in parts},
        manifest,
        changes_file,
        removed,
        changes,
        mended,
        describe(written),
    )


def check_output(dataset: Dataset, output: Path, *, several: str) -> None:
    """UserError where rows cannot be written to `output`; `several`: what asks for more than one file."""
    stream = is_stream(output)
    endings = [".changes.jsonl", *(f".{name}.jsonl" for name in NAMES if several)]
    beside_it = [] if stream or not output.name else [beside(output, one) for one in endings]
    for written in filter(paths.exists, [output, *beside_it]):
        if any(written.samefile(path) for path in dataset.files if paths.exists(path)):
            raise UserError("this is the original file", place=str(written), remedy="write to another file")
    if paths.is_dir(output):
        raise unwritable(output, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if stream and several:
        raise UserError(
            "several files cannot go to one stream", place=several, remedy="name a file with -o FILE.jsonl"
        )
    if not stream and output.suffix.lower() in OTHER_FORMATS:
        raise UserError(
            f"rows are written as JSONL, not as {output.suffix}",
            place=printable(str(output)),
            remedy=f"use -o {printable(str(output.with_suffix('.jsonl')))}",
        )


def survey(
    dataset: Dataset, settings: Settings, watch: Callable[[str, float], None] | None = None
) -> tuple[Dataset, list[Change], list[Removal], NDArray[np.intp]]:
    """What `clean` would do, writing nothing: the repaired rows, what was changed, what goes, which stay."""
    against = _against(settings.against, dataset)
    mended, changes = repaired(dataset, settings.mask, watch)
    if settings.labels == "merge":
        mended, relabeled = merged(mended)
        changes += relabeled
    if settings.outliers == "trim":
        before = mended
        mended, cut = trimmed(mended)
        changes += [Change(index, ("trimmed",), _text(before, index), _text(mended, index)) for index in cut]
    removed = removals(
        mended,
        near=settings.near,
        repeats=settings.duplicates,
        outlying=settings.outliers,
        drop=settings.drop,
        against=against,
        watch=watch,
    )
    twins = [
        pair
        for removal in removed
        if removal.partner is not None and removal.why in (MERGED, NEAR_MERGED)
        for pair in zip(removal.indices.tolist(), removal.partner.tolist(), strict=True)
    ]
    mended, taken = with_systems(mended, twins)
    changes += taken
    return mended, changes, removed, kept(mended, removed)


def _against(spec: str | None, dataset: Dataset) -> Dataset | None:
    if spec is None:
        return None
    from tuiftune.data.mix.split import held_out_file

    return held_out_file(dataset, spec)


def beside(output: Path, ending: str) -> Path:
    """Return the name of a file that stands next to `output`: rows.jsonl gives rows.train.jsonl."""
    stem = output.name
    for suffix in (".jsonl", ".json", ".ndjson"):
        stem = stem.removesuffix(suffix)
    return output.with_name(stem + ending)


def _text(dataset: Dataset, index: int) -> str:
    row = dataset.frame.row(index, named=True)
    return "\n".join(row[name] for name in ("system", "prompt", "answer") if row[name])


def _account_rows(
    dataset: Dataset, mended: Dataset, removed: list[Removal], changes: list[Change]
) -> Iterator[dict[str, Any]]:
    """Each removed or changed row: where it was, why, and its beginning before and after."""
    for removal in removed:
        partners = [None] * len(removal.indices) if removal.partner is None else removal.partner.tolist()
        for index, partner in zip(removal.indices.tolist(), partners, strict=True):
            entry = {"row": dataset.place(index), "removed": removal.why}
            if partner is not None:
                entry["stays"] = dataset.place(partner)
            yield {**entry, "text": excerpt(_text(mended, index), 200)}
    for fault in dataset.malformed.first:
        yield {"row": fault.place, "removed": MALFORMED, "text": fault.message}
    gone = set(chain.from_iterable(removal.indices.tolist() for removal in removed))
    for change in changes:
        if change.index not in gone:
            yield {
                "row": dataset.place(change.index),
                "changed": list(change.done),
                "before": change.before,
                "after": change.after,
            }


def _manifest(
    dataset: Dataset,
    settings: Settings,
    removed: list[Removal],
    changes: list[Change],
    written: dict[Path, tuple[int, str]],
) -> dict[str, Any]:
    from tuiftune import __version__

    tally: dict[str, int] = {}
    for change in changes:
        for what in change.done:
            tally[what] = tally.get(what, 0) + 1
    return {
        "schema": "tuiftune/data-clean@1",
        "made_by": f"tuiftune {__version__}",
        "settings": {name: getattr(settings, name) for name in Settings.__slots__},
        "format": dataset.format,
        "sources": [
            {"path": str(path), "bytes": paths.size(spool.copy_of(path)), "sha256": sha256_of(path)}
            for path in dataset.files
        ],
        "rows_read": dataset.rows,
        "removed": {
            **({MALFORMED: dataset.malformed.count} if dataset.malformed.count else {}),
            **{removal.why: len(removal.indices) for removal in removed},
        },
        "changed": tally,
        "outputs": [
            {"path": path.name, "rows": rows, "sha256": digest or None}
            for path, (rows, digest) in written.items()
        ],
    }


def sha256_of(path: Path) -> str:
    """The file's SHA-256, read in pieces."""
    digest = hashlib.sha256()
    with opened(path) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def rows_of(
    indices: NDArray[np.intp], dataset: Dataset, most: int = 6, partner: NDArray[np.intp] | None = None
) -> str:
    """The first row numbers, for a sentence; with those that stay in their place, `57→12`."""
    most = most if partner is None else most - 2
    rows = dataset.frame["row"].gather(indices[:most]).to_list()
    stay = [] if partner is None else dataset.frame["row"].gather(partner[:most]).to_list()
    said = [f"{row}→{other}" for row, other in zip(rows, stay, strict=True)] if stay else map(str, rows)
    return ", ".join(said) + (" …" if len(indices) > most else "")
