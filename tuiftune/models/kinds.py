"""What transformers' classes of each `model_type` can do, found by trying them: a table that a test makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

WHY_REFUSED = {
    "encoder-decoder": "it is an encoder-decoder, and only decoders are fine-tuned",
    "bidirectional": "its attention is bidirectional, so it cannot learn to generate",
    "more than text": "it cannot be run on text alone",
    "classifier": "it classifies images and does not generate text",
    "rescaled": "transformers rescales its weights in place to evaluate it, which adapters do not follow, "
    "and mixes up answers that are generated together",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One `model_type`. What isn't known of a type is taken as if it could not."""

    name: str = ""
    refused: str = ""  # why it can't be trained, in words
    listed: bool = True  # transformers knew it when the table was made
    tested: bool = True  # a tiny one was tried
    sdpa: bool = True  # its class takes PyTorch's fused attention
    apart: bool = True  # rows in one sequence don't see one another
    fused_head: bool = True  # TRL's fused head computes its loss
    sees_padding: bool = False  # padding on the left changes its answers
    cache: bool = True  # generation with a cache is the same as without
    scores: bool = True  # transformers has a class of it with a score head
    zeroes_padding: bool = False  # its loader sets the padding token's embedding to zero


ANY = Kind()


def kind_of(config: dict[str, Any]) -> Kind:
    """The kind of a parsed `config.json`."""
    name = str(config.get("model_type") or "")
    table = _table()
    tested = name in table["tested"]
    why = next((why for why, names in table["refused"].items() if name in names), "")
    if not why and config.get("is_encoder_decoder") is True:
        why = "encoder-decoder"
    alibi = name == "falcon" and bool(config.get("alibi"))
    return Kind(
        name=name,
        refused=WHY_REFUSED[why] if why else "",
        listed=tested or bool(why) or name in table["untested"],
        tested=tested,
        sdpa=name not in table["no sdpa"],
        apart=tested and name not in table["rows see one another"] and not alibi,
        fused_head=tested and name not in table["own head"],
        sees_padding=not tested or name in table["padding is seen"],
        cache=name not in table["no cache"],
        scores=name not in table["no score head"],
        zeroes_padding=name in table["padding is zeroed"],
    )


def version() -> str:
    """The release of transformers that the table was made with."""
    return str(_document()["transformers"])


@cache
def _document() -> dict[str, Any]:
    text = files("tuiftune.models").joinpath("kinds.json").read_text(encoding="utf-8")  # raw: our own
    found: dict[str, Any] = json.loads(text)  # raw: our own
    return found


@cache
def _table() -> dict[str, Any]:
    return {
        key: frozenset(value)
        if isinstance(value, list)
        else {why: frozenset(names) for why, names in value.items()}
        for key, value in _document().items()
        if not isinstance(value, str)
    }
