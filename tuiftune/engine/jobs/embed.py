"""`python -m tuiftune.engine embed`: documents and queries as unit vectors, by sentence-transformers.

The model's own pooling and prompts are used; without them, the mean of the last layer's tokens.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

BATCH = 32
INSTALL = "pip install 'tuiftune[embeddings]'"


def main(given: argparse.Namespace) -> ExitCode:
    """Write `documents.npy` and `queries.npy`, float32 of (texts, width), and print `{"longest", "cut"}`: the
    tokens that the model reads, and how many texts have more. UserError for a model that cannot be loaded.
    """
    import numpy as np

    request = documents.read_json(Path(given.request))
    model = _loaded(str(request["model"]))
    place = Path(str(request["to"]))
    cut = 0
    for name, encode in (("documents", model.encode_document), ("queries", model.encode_query)):
        texts = [text or " " for text in request[name]]
        found = np.zeros((0, 1), dtype=np.float32)
        if texts:
            cut += _cut(model, texts)
            found = encode(
                texts,
                batch_size=BATCH,
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        np.save(place / f"{name}.npy", found.astype(np.float32))
    sys.stdout.write(json.dumps({"longest": _longest(model), "cut": cut}) + "\n")
    return ExitCode.DONE


def _cut(model: Any, texts: Sequence[str]) -> int:
    """Texts that have more tokens than the model reads: the library leaves the rest out without a word."""
    longest = _longest(model)
    if longest is None:
        return 0
    return sum(
        len(ids) > longest
        for start in range(0, len(texts), 1000)
        for ids in model.tokenizer(texts[start : start + 1000], truncation=False, verbose=False)["input_ids"]
    )


def _longest(model: Any) -> int | None:
    """Tokens that the model reads; None where it reads all, as a table of words does."""
    longest = model.max_seq_length
    return int(longest) if longest is not None and math.isfinite(longest) else None


def _loaded(where: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as fault:
        raise UserError(
            "sentence-transformers is not installed", place="--embeddings", remedy=f"install it: {INSTALL}"
        ) from fault
    try:
        return SentenceTransformer(where, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as fault:
        why = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
        raise UserError(f"cannot be loaded: {printable(why)}", place=printable(where)) from None
