"""`python -m tuiftune.engine bertscore`: pairs of texts compared by the embeddings of a model's tokens.

As `bert-score` computes it without idf weights and without rescaling: cosine similarity of contextual
embeddings, each token with its nearest in the other text; special tokens can be nearest, but count nothing.
Source: Zhang et al. 2020, arXiv:1904.09675.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

LAYERS = 0.75  # of a model's layers, where none is named: 9 of 12 is best for BERT (the paper's appendix)
BATCH = 32


def main(given: argparse.Namespace) -> ExitCode:
    """Print `{"f1": […], "layer"}`. UserError for a model that cannot be loaded."""
    request = documents.read_json(Path(given.request))
    model, tokenizer = _loaded(str(request["model"]))
    depth = int(model.config.num_hidden_layers)
    layer = round(LAYERS * depth) if request["layer"] is None else int(request["layer"])
    if not 1 <= layer <= depth:
        raise UserError(f"has {depth} layers", place=printable(request["model"]), remedy=f"name 1 to {depth}")
    found = f_measures(model, tokenizer, request["pairs"], layer)
    sys.stdout.write(json.dumps({"f1": found, "layer": layer}) + "\n")
    return ExitCode.DONE


def f_measures(model: Any, tokenizer: Any, pairs: Sequence[Sequence[str]], layer: int) -> list[float]:
    """Return the F-measure of each (answer, reference); 0 if one of them has no tokens."""
    texts = sorted({text for pair in pairs for text in pair}, key=len)
    embedded: dict[str, tuple[Any, Any]] = {}
    for start in range(0, len(texts), BATCH):
        some = texts[start : start + BATCH]
        embedded |= dict(zip(some, _embedded(model, tokenizer, some, layer), strict=True))
    return [_f_measure(*embedded[answer], *embedded[reference]) for answer, reference in pairs]


def _embedded(model: Any, tokenizer: Any, texts: Sequence[str], layer: int) -> list[tuple[Any, Any]]:
    """Return each text's unit vectors [tokens, width], and which of them count [tokens]."""
    import torch

    longest = min(int(getattr(model.config, "max_position_embeddings", 512)), tokenizer.model_max_length)
    read = tokenizer(
        list(texts),
        truncation=True,
        max_length=longest,
        padding=True,
        return_tensors="pt",
        return_special_tokens_mask=True,
    )
    special = read.pop("special_tokens_mask")
    with torch.no_grad():
        hidden = model(**read, output_hidden_states=True).hidden_states[layer].float()
    hidden = torch.nn.functional.normalize(hidden, dim=-1)
    there = read["attention_mask"].bool()
    return [(hidden[row][there[row]], (1 - special[row][there[row]]).float()) for row in range(len(texts))]


def _f_measure(answer: Any, counted: Any, reference: Any, counted_too: Any) -> float:
    if not float(counted.sum()) or not float(counted_too.sum()):
        return 0.0
    alike = answer @ reference.T
    precision = float((alike.max(1).values * counted).sum() / counted.sum())
    recall = float((alike.max(0).values * counted_too).sum() / counted_too.sum())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _loaded(where: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
        model = AutoModel.from_pretrained(where, local_files_only=True).eval()
    except (OSError, ValueError, KeyError) as fault:
        why = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
        raise UserError(f"cannot be loaded: {printable(why)}", place=printable(where)) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer
