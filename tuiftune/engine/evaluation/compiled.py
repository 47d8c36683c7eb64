"""Batches of one shape over a static cache, which transformers compiles on a GPU: worth it for many rows.

On an H200 256 rows of a 1B model take 5.6 times as long without; compiling takes 20 to 28 s (measured). So it
begins once a model has generated for as long, and only if the answers of a batch that was generated before
are the same, or part where two tokens are as good as equally likely.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from transformers import GenerationConfig

from tuiftune.engine.evaluation.decoding import SELECTABLE, decode, layers_of, padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.engine.evaluation.decoding import SharedPrefix

WORTH = 30.0  # seconds of generating
NEAR = 0.05  # gap of two logits, below which 16 bits decide by rounding
ROUND = 256  # tokens that the cache's length is rounded up to: each length is compiled again


class StaticDecoding:
    """How one model decodes: as ever, until enough was generated and the static cache was found equal."""

    def __init__(self, worth: float = WORTH) -> None:
        """`worth`: seconds of generating before it is tried."""
        self.equal: bool | None = None
        self.why = ""
        self._worth, self._spent = worth, 0.0

    def decode(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        prefix: SharedPrefix,
        decoding: dict[str, Any],
        *,
        max_new_tokens: int,
        size: int,
        longest: int,
    ) -> list[list[int]]:
        """Return the new tokens of each prompt, as `decoding.decode` does. `size`: rows of every batch;
        `longest`: tokens of the longest prompt of all.
        """
        if self.equal:
            return batch(model, prompts, decoding, max_new_tokens, size, longest)
        began = time.monotonic()
        written = decode(model, prompts, prefix, decoding, max_new_tokens=max_new_tokens)
        self._spent += time.monotonic() - began
        if self.equal is None and self._spent >= self._worth:
            self._try(model, prompts, written, decoding, max_new_tokens, size, longest)
        return written

    def _try(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        written: Sequence[Sequence[int]],
        decoding: dict[str, Any],
        max_new_tokens: int,
        size: int,
        longest: int,
    ) -> None:
        try:
            found = batch(model, prompts, decoding, max_new_tokens, size, longest)
        except Exception as fault:  # whatever a compiler says: the answers are there without it
            self.equal, self.why = False, f"{type(fault).__name__}: {fault}".splitlines()[0]
        else:
            stops = set(decoding["eos_token_id"])
            parted = [
                prompt
                for prompt, one, other in zip(prompts, written, found, strict=True)
                if not alike(model, prompt, _ended(one, stops), _ended(other, stops))
            ]
            self.equal = not parted
            self.why = f"{len(parted)} of {len(prompts)} answers differ" if parted else ""
        if self.why:
            sys.stderr.write(f"generation is not compiled: {self.why}\n")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def suits(model: Any, decoding: dict[str, Any]) -> bool:
    """Return True if a static cache can hold what the model keeps, on a device that compiling pays on."""
    kept = layers_of(model)
    return model.device.type == "cuda" and decoding["use_cache"] and bool(kept) and kept <= SELECTABLE


_OF: WeakKeyDictionary[Any, StaticDecoding] = WeakKeyDictionary()


def of(model: Any) -> StaticDecoding:
    """Return how a model decodes, the same for as long as it is loaded."""
    return _OF.setdefault(model, StaticDecoding())


def batch(
    model: Any,
    prompts: Sequence[Sequence[int]],
    decoding: dict[str, Any],
    max_new_tokens: int,
    size: int,
    longest: int,
) -> list[list[int]]:
    """Return the new tokens of each prompt, computed as a batch of `size` rows over a static cache."""
    whole = [*prompts, *[prompts[0]] * (size - len(prompts))]  # the shape that was compiled
    ids, mask = padded(whole, decoding["pad_token_id"])
    sized = {}
    if hasattr(GenerationConfig(), "max_cache_len"):
        sized["max_cache_len"] = -(-(longest + max_new_tokens) // ROUND) * ROUND
    found = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max_new_tokens,
        cache_implementation="static",
        **decoding,
        **sized,
    )
    written: list[list[int]] = found[: len(prompts), ids.shape[1] :].tolist()
    return written


def alike(model: Any, prompt: Sequence[int], one: Sequence[int], other: Sequence[int]) -> bool:
    """Return True if two answers are the same up to tokens that are as good as equally likely."""
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if at is None:
        return len(one) == len(other)
    ids = torch.tensor([[*prompt, *one[:at]]], device=model.device)
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, -1].float()
    return abs(float(logits[one[at]] - logits[other[at]])) < NEAR


def _ended(tokens: Sequence[int], stops: set[int]) -> Sequence[int]:
    return tokens[: next((at + 1 for at, one in enumerate(tokens) if one in stops), len(tokens))]
