"""Generation by a model with virtual tokens before each row.

PEFT 0.21 hands a prefix to transformers under a name that 5.24 ignores once it has a cache of its own:
answers would be those of the base model, in silence. Here the prefix is the cache that generation begins
with.
"""

from __future__ import annotations

from functools import partial
from typing import Any


def present(model: Any) -> bool:
    """Return True if PEFT puts virtual tokens before each row of a model."""
    return any(one.is_prompt_learning for one in getattr(model, "peft_config", {}).values())


def generating(model: Any) -> Any:
    """Return the model, which generates with its virtual tokens if it has some."""
    if present(model):
        model.generate = partial(_generate, model)
    return model


def _generate(model: Any, input_ids: Any, attention_mask: Any = None, **given: Any) -> Any:
    """Prompts and answers, (rows, tokens), as transformers' own `generate` returns them."""
    import torch

    base = model.get_base_model()
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    if model._adapters_disabled:
        return base.generate(input_ids=input_ids, attention_mask=mask, **given)
    rows, virtual = len(input_ids), int(model.active_peft_config.num_virtual_tokens)
    mask = torch.cat([mask.new_ones(rows, virtual), mask], dim=1)
    prompts = model.get_prompt(rows)
    if not isinstance(prompts, torch.Tensor):  # a cache; the tokens that it stands for are not looked at
        standing = input_ids.new_zeros(rows, virtual)
        ids = torch.cat([standing, input_ids], dim=1)
        written = base.generate(input_ids=ids, attention_mask=mask, cache=prompts, **given)
        return written[:, virtual:]
    embedded = base.get_input_embeddings()(input_ids)
    embedded = torch.cat([prompts.to(embedded), embedded], dim=1)
    written = base.generate(inputs_embeds=embedded, attention_mask=mask, **given)
    return torch.cat([input_ids, written], dim=1)
