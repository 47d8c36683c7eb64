"""BERTScore: F-measure of answer and reference by their nearest tokens' embeddings, without rescaling."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.engine_call import Job, ask
from tuiftune.errors import UserError
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

REQUEST = "request.json"


def _parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return the F-measure of each pair. `argument`: a model directory, or DIRECTORY:LAYER."""
    where, layer = _named(argument)
    place = f"--metric bertscore={printable(argument)}"
    if not paths.is_file(paths.given(where) / "config.json"):
        raise UserError("no model there", place=place, remedy="name a directory with config.json and weights")
    request = {"model": where, "layer": layer, "pairs": [[one.answer, one.reference] for one in pairs]}
    with tempfile.TemporaryDirectory(prefix="tuiftune-") as room:
        path = Path(room) / REQUEST
        path.write_text(json.dumps(request), encoding="utf-8")
        said = ask(Job("bertscore", ("--request", str(path))), place=place)
    found = documents.loads((said or b"").decode().strip().splitlines()[-1])
    return [(float(one),) for one in found["f1"]]


def _named(argument: str) -> tuple[str, int | None]:
    """Return the directory and the layer of an argument."""
    where, colon, layer = argument.rpartition(":")
    return (where, int(layer)) if colon and layer.isdigit() else (argument, None)


BERTSCORE = Scorer(
    key="bertscore",
    order=72,
    name="BERTScore",
    does="F-measure of nearest token embeddings",
    kind="mean",
    parts=_parts,
    takes="directory",
    packages=("scipy",),
    source="Zhang et al. 2020, BERTScore: Evaluating Text Generation with BERT, arXiv:1904.09675",
)
