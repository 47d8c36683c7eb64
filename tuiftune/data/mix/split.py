"""Which rows are held out: decided by content and seed, never by order, so that a resumed or repeated run
agrees.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.data.picked import Picked
from tuiftune.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example

SIDES = ("training.npy", "held-out.npy")


def split(dataset: Dataset, eval_spec: float | str, seed: int = 42) -> tuple[list[Example], list[Example]]:
    """Training rows and evaluation rows, each in file order; only rows that can be trained on.

    A share in [0, 1) holds out rows by a hash of their prompt, so equal prompts stay on one side, and
    classification
    keeps each label's share. Anything else is a file (or glob, directory) of its own in the same format.
    Raises UserError for a bad share or file.
    """
    train, held_out = picked(dataset, eval_spec, seed)
    return list(train), list(held_out)


def picked(dataset: Dataset, eval_spec: float | str, seed: int = 42) -> tuple[Picked, Picked]:
    """The same, each row made when it is asked for."""
    import numpy as np

    share = as_share(eval_spec)
    if share is None:
        held_out = held_out_file(dataset, str(eval_spec))
        found = ((one, one.usable.arg_true().to_numpy().astype(np.intp)) for one in (dataset, held_out))
        training, evaluation = (Picked(one, indices) for one, indices in found)
        return training, evaluation
    train, held = indices(dataset, share, seed)
    names = [f"{side} {share} {seed}" if dataset.kept else "" for side in SIDES]
    return Picked(dataset, train, names[0]), Picked(dataset, held, names[1])


def indices(dataset: Dataset, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`split_indices`, of rows in the cache once."""
    import numpy as np

    from tuiftune.data.read.kept import held_by

    entry = held_by(dataset, "split", share, seed)
    if entry is None:
        return split_indices(dataset, share, seed)
    try:
        if entry.document() is None:
            for name, made in zip(SIDES, split_indices(dataset, share, seed), strict=True):
                np.save(entry.path / name, made.astype(np.int64))
            entry.seal({}, SIDES)
        train, held = (np.load(entry.path / name).astype(np.intp) for name in SIDES)
        return train, held
    finally:
        entry.close()


def as_share(eval_spec: float | str) -> float | None:
    """The share that is meant, or None when a file is."""
    try:
        share = float(eval_spec)
    except ValueError:
        return None
    if not 0 <= share < 1:
        raise UserError(
            f"{eval_spec} is not a valid fraction",
            place="data.eval",
            remedy="use a fraction from 0 to below 1, or a file",
        )
    return share


def held_out_file(dataset: Dataset, spec: str) -> Dataset:
    """The evaluation file, read as the training file was; its own recognition where the columns differ."""
    from tuiftune.data.detect.mapping import beginning, tried
    from tuiftune.data.read.load import load

    own = tried(beginning(spec)).dataset
    if own is not None and own.stage != dataset.stage and not _alike(own, dataset):
        raise UserError(
            f"its rows are {own.format}, the training rows are {dataset.format}, so they cannot be compared",
            place=spec,
            remedy="write the good answers only to a separate file",
        )
    try:
        return load(spec, format=dataset.format, columns=dataset.columns, system=dataset.system)
    except UserError as fault:
        if "column" not in fault.message:
            raise
        return load(spec, system=dataset.system)


def _alike(own: Dataset, other: Dataset) -> bool:
    """Return True if some stage takes rows of both formats."""
    takes = [stage.formats for stage in stages.every().values() if other.format in stage.formats]
    return any(own.format in formats for formats in takes)


def split_indices(dataset: Dataset, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of training and evaluation rows. At least one row is held out where two distinct
    prompts exist.
    """
    import numpy as np

    usable = dataset.usable.arg_true().to_numpy().astype(np.intp)
    if share <= 0 or len(usable) < 2:
        return usable, usable[:0]
    keys = prompt_keys(dataset, usable, seed)
    labels = dataset.frame["label"].gather(usable)
    strata = labels.fill_null("").to_list() if dataset.format in ("classification", "kto") else None
    held = choose(keys, share, strata)
    return usable[~held], usable[held]


def prompt_keys(dataset: Dataset, indices: NDArray[np.intp], seed: int) -> NDArray[np.uint64]:
    """64 bits a row from seed and normalized prompt (the text itself for raw text): equal prompts, equal
    keys.
    """
    import numpy as np

    from tuiftune.data.similar.normalized import normalized

    text = normalized("answer" if dataset.format == "text" else "prompt")
    salt = str(seed).encode()[:16]
    digest = hashlib.blake2b
    raw = bytearray()
    for piece in dataset.pieces(indices):
        for one in piece.select(text).to_series().to_list():
            raw += digest(one.encode("utf-8"), digest_size=8, salt=salt).digest()
    return np.frombuffer(bytes(raw), dtype="<u8")


def choose(keys: NDArray[np.uint64], share: float, strata: list[str] | None) -> NDArray[np.bool_]:
    """True for evaluation rows: within each stratum the smallest keys, whole groups of equal keys together.

    A group belongs to the stratum of its first row. A stratum of one group is never held out.
    """
    import numpy as np

    unique, first, inverse, sizes = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    held = np.zeros(len(unique), dtype=bool)
    if strata is None:
        stratum_of = np.zeros(len(unique), dtype=np.intp)
    else:
        _, codes = np.unique(np.array(strata, dtype=object).astype(str), return_inverse=True)
        stratum_of = codes[first]
    total, wanted = 0, 0.0
    order = np.lexsort((unique, stratum_of))
    bounds = np.flatnonzero(np.diff(stratum_of[order])) + 1
    for groups in np.split(order, bounds):
        if len(groups) < 2:
            continue
        # what rounding owed to or took from the strata before is settled here: the whole comes out right
        wanted += share * sizes[groups].sum()
        taken = np.cumsum(sizes[groups])
        count = int(np.searchsorted(taken, wanted - total + 0.5, side="right"))
        count = min(count, len(groups) - 1)
        held[groups[:count]] = True
        total += int(sizes[groups[:count]].sum())
    if not held.any() and len(unique) > 1:
        held[0] = True
    return held[inverse]
