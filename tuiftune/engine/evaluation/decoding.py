"""Greedy answers of one batch: rows that ended leave it, and what all begin with is computed once."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache, GenerationMixin, StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDED_SHARE = 0.25  # of the rows of a batch, before the others go on without them
FEWEST = 4  # rows that must have ended: starting again costs a few ms
SELECTABLE = {DynamicLayer, DynamicSlidingWindowLayer}
SHORTEST_PREFIX = 16  # tokens; a shorter one isn't worth a forward pass of its own


@cache
def _cache_name() -> str:
    """Return what generation calls its keys and values: `past_key_values` until transformers 5.2x."""
    known = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
    return "cache" if "cache" in known else "past_key_values"


class _EnoughEnded(StoppingCriteria):
    """Ends a generation when many of its rows have ended and others have not."""

    def __init__(self, rows: int, stops: Any) -> None:
        self.ended = torch.zeros(rows, dtype=torch.bool, device=stops.device)
        self.fired = False
        self._stops = stops
        self._enough = max(FEWEST, int(rows * ENDED_SHARE))

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.ended |= torch.isin(input_ids[:, -1], self._stops)
        count = int(self.ended.sum())
        self.fired = self._enough <= count < len(self.ended)
        return torch.full_like(self.ended, self.fired)


class _Remembered(StoppingCriteria):
    """Another criterion, and whether it ended the whole generation."""

    def __init__(self, criterion: Any) -> None:
        self._criterion, self.fired = criterion, False

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        found = self._criterion(input_ids, scores, **kwargs)
        self.fired = self.fired or bool(found.all())
        return found


class SharedPrefix:
    """Keys and values of the tokens that all prompts begin with. `length`: how many; 0 if none are kept."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], decoding: dict[str, Any]) -> None:
        length = common(prompts)
        shared = length >= SHORTEST_PREFIX and len(prompts) > 1 and decoding["use_cache"]
        self.length = length if shared and layers_of(model) == {DynamicLayer} else 0
        self._states: list[tuple[Any, Any]] = []
        if not self.length:
            return
        self._config = model.config.get_text_config(decoder=True)
        ids = torch.tensor([list(prompts[0][:length])], device=model.device)
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=1,  # which is not computed any further, so that the prefix alone is kept
            **decoding,
            return_dict_in_generate=True,
        )
        self._states = [(layer.keys, layer.values) for layer in getattr(found, _cache_name()).layers]

    def cache_of(self, mask: Any) -> DynamicCache | None:
        """Return what is known of a batch that is padded on the left, mask [rows, tokens], before its other
        tokens are computed; None if nothing is.

        Each row stands where it would without: padding, then the prefix, as far as the first `length` columns
        reach. The longest row has all of the prefix there, the others the rest of it among their own tokens.
        """
        if not self.length:
            return None
        padding = (mask.shape[1] - mask.sum(-1)).tolist()
        made = DynamicCache(config=self._config)
        for layer, (keys, values) in enumerate(self._states):
            made.update(self._placed(keys, padding), self._placed(values, padding), layer)
        return made

    def _placed(self, states: Any, padding: Sequence[int]) -> Any:
        """Return states [1, heads, length, width] as [rows, heads, length, width] behind their padding."""
        placed = states.new_zeros((len(padding), *states.shape[1:]))
        for line, before in enumerate(padding):
            if before < self.length:
                placed[line, :, before:] = states[0, :, : self.length - before]
        return placed


def common(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with, fewer than the shortest has."""
    ordered = [list(prompt) for prompt in prompts] or [[]]
    first, last = min(ordered), max(ordered)  # all others lie between them, and share what these two do
    shared = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    shortest = min(map(len, prompts), default=0)
    return max(0, min(shortest - 1, shortest if shared is None else shared))


def layers_of(model: Any) -> set[type]:
    """Return the kinds of layers that generation keeps for a model; none if it can't begin from kept ones."""
    return {type(layer) for layer in DynamicCache(config=model.config.get_text_config(decoder=True)).layers}


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    prefix: SharedPrefix,
    decoding: dict[str, Any],
    *,
    max_new_tokens: int,
    criteria: Sequence[Any] = (),
    together: bool = False,
    device: Any = None,
) -> list[list[int]]:
    """Return the new tokens of each prompt, with whatever padding follows its end.

    Rows are padded on the left; `decoding`: settings of `generate`, with a list of `eos_token_id`.
    `together`: other processes answer the same rows with a model that they share; `device`: where its layers
    compute.
    """
    ids, mask = padded(prompts, decoding["pad_token_id"])
    device = device or model.device
    ids, mask = ids.to(device), mask.to(device)
    stops = torch.tensor(decoding["eos_token_id"], device=device)
    written: list[list[int]] = [[] for _ in prompts]
    open_, left = list(range(len(prompts))), max_new_tokens
    known: Any = prefix.cache_of(mask)
    thinning = (
        not together and decoding["use_cache"] and bool(kinds := layers_of(model)) and kinds <= SELECTABLE
    )
    while True:
        others = [_Remembered(one) for one in criteria]
        enough = _EnoughEnded(len(open_), stops)
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=left,
            **decoding,
            stopping_criteria=StoppingCriteriaList([*others, *([enough] if thinning else [])]),
            return_dict_in_generate=True,
            synced_gpus=together,
            **({} if known is None else {_cache_name(): known}),
        )
        new = found.sequences[:, ids.shape[1] :]
        for line, tokens in zip(open_, new.tolist(), strict=True):
            written[line] += tokens
        left -= new.shape[1]
        known = getattr(found, _cache_name(), None)
        if not enough.fired or left < 1 or any(one.fired for one in others):
            return written
        stay = (~enough.ended).nonzero()[:, 0]
        known.batch_select_indices(stay)
        ids = found.sequences[stay]
        mask = torch.cat([mask[stay], mask.new_ones((len(stay), new.shape[1]))], -1)
        open_ = [open_[at] for at in stay.tolist()]


def padded(rows: Sequence[Sequence[int]], padding: int) -> tuple[Any, Any]:
    """Return token ids and attention mask, both [rows, tokens], padded on the left to the longest row."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), padding)
    mask = torch.zeros_like(ids)
    for line, row in enumerate(rows):
        ids[line, longest - len(row) :] = torch.tensor(row)
        mask[line, longest - len(row) :] = 1
    return ids, mask
