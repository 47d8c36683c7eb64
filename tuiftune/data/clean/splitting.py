"""Splitting a dataset into files of their own, with the rows as they are: `tuiftune data split`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths, spool
from tuiftune.data.clean.partition import NAMES, parse_shares, partition
from tuiftune.data.clean.run import beside, check_output, sha256_of
from tuiftune.data.read.write import as_row, write_files
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tuiftune.data.dataset import Dataset

KEYS = ("data.train", "data.eval", "data.test")  # of a preset, in the order of the files


@dataclass(frozen=True, slots=True)
class Split:
    """The files written, with their rows and SHA-256 ("" if nothing was written); rows that cannot be trained
    on are in none. `about` is the manifest's content.
    """

    files: dict[Path, tuple[int, str]]
    left_out: int
    about: dict[str, Any]


def split_files(
    dataset: Dataset,
    output: Path,
    shares: str,
    seed: int,
    watch: Callable[[str, float], None] | None = None,
    *,
    dry_run: bool = False,
) -> Split:
    """Write OUTPUT.train.jsonl, OUTPUT.validation.jsonl and, of three shares, OUTPUT.test.jsonl.

    Near-duplicates and rows with equal prompts are in one file; labels keep their shares; content and seed
    decide, not the order. All files appear together or none.

    Raises:
        UserError: for shares that are none, for fewer rows than files, and where nothing can be written.
    """
    parts = parse_shares(shares, place="--shares")
    check_output(dataset, output, several="data split")
    usable = dataset.usable.arg_true().to_numpy()
    told = (lambda done: watch("looking for near-duplicates", done)) if watch else None
    split, compared = partition(dataset, usable, parts, seed, told)
    if any(not len(rows) for rows in split):
        few = plural(len(usable), "usable row")
        raise UserError(
            f"{few} cannot fill {len(parts)} files, as near-duplicates stay together",
            place=printable(str(output)),
            remedy="use more rows, or fewer files",
        )
    placed = {beside(output, f".{name}.jsonl"): rows for name, rows in zip(NAMES, split, strict=False)}
    preset = {key: str(path) for key, path in zip(KEYS, placed, strict=False)}

    def describe(done: dict[Path, tuple[int, str]]) -> dict[str, Any]:
        made = {path: done[path] for path in placed}
        return _manifest(dataset, shares, seed, len(usable), compared, made, preset)

    written = {path: (len(rows), "") for path, rows in placed.items()}
    if not dry_run:
        files: dict[Path, Iterable[dict[str, Any]]] = {
            path: (as_row(example) for example in dataset.at(rows)) for path, rows in placed.items()
        }
        written = write_files(files, beside(output, ".manifest.json"), describe)
    about = describe(written)
    return Split({path: written[path] for path in placed}, about["left_out"], about)


def _manifest(
    dataset: Dataset,
    shares: str,
    seed: int,
    usable: int,
    compared: int,
    written: dict[Path, tuple[int, str]],
    preset: dict[str, str],
) -> dict[str, Any]:
    from tuiftune import __version__

    return {
        "schema": "tuiftune/data-split@1",
        "made_by": f"tuiftune {__version__}",
        "shares": shares,
        "seed": seed,
        "format": dataset.format,
        "sources": [
            {"path": str(path), "bytes": paths.size(spool.copy_of(path)), "sha256": sha256_of(path)}
            for path in dataset.files
        ],
        "rows_read": dataset.rows,
        "left_out": dataset.rows - usable,
        "compared": compared,  # rows, for near-duplicates: fewer than all of much text
        "outputs": [
            {"path": path.name, "rows": rows, "sha256": digest or None}
            for path, (rows, digest) in written.items()
        ],
        "preset": preset,
    }
