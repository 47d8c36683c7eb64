"""Answers of a batch beside those of each row alone, by tiny models of several kinds of cache."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

PREFIX, ROWS, NEW = 24, 40, 20


def write(path: str, base: str) -> None:
    """What was computed and written, by the name of a model."""
    Path(path).write_text(json.dumps({name: compared(name, model) for name, model in models(base)}))


def models(base: str) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        MambaConfig,
        MambaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
    )

    sizes: dict[str, Any] = {
        "vocab_size": 400,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    for seed, name in enumerate(("llama", "adapter", "window", "state")):
        torch.manual_seed(seed)
        if name == "window":
            model = MistralForCausalLM(MistralConfig(**sizes, **heads, sliding_window=16))
        elif name == "state":
            model = MambaForCausalLM(MambaConfig(**sizes, state_size=4))
        else:
            model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        if name == "adapter":
            model = get_peft_model(model, LoraConfig(r=4, init_lora_weights=False))
        yield name, model.eval()


def compared(name: str, model: Any) -> dict[str, Any]:
    import torch

    from tuiftune.engine.evaluation import answers
    from tuiftune.engine.evaluation.decoding import SharedPrefix, decode

    rng = random.Random(4)
    most = model.config.vocab_size
    head = [rng.randrange(2, most) for _ in range(PREFIX)]
    prompts = [head + [rng.randrange(2, most) for _ in range(rng.randint(2, 30))] for _ in range(ROWS)]
    stops = [1, *range(most * 9 // 10, most)]
    decoding = answers.GREEDY | {"pad_token_id": 0, "eos_token_id": stops}
    computed: list[list[int]] = []  # [rows, tokens] of each forward pass
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, given, out: computed.append(list(given[0].shape))
    )
    with torch.no_grad():
        prefix = SharedPrefix(model, prompts, decoding)
        alike = model.config.model_type != "mamba"  # whose state takes in the padding
        together = prompts if alike else [one for one in prompts if len(one) == len(prompts[0])] * 12
        found = decode(model, together, prefix, decoding, max_new_tokens=NEW)
        passes = list(computed)
        hook.remove()
        alone = [
            model.generate(
                input_ids=torch.tensor([one]),
                attention_mask=torch.ones(1, len(one), dtype=torch.long),
                max_new_tokens=NEW,
                **decoding,
            )[0, len(one) :].tolist()
            for one in together
        ]
    return {
        "static": _static(model, prompts, prefix, decoding, found) if name in ("llama", "window") else None,
        "prefix": prefix.length,
        "passes": passes,
        "same": [_ended(one, stops) for one in found] == [_ended(one, stops) for one in alone],
        "lengths": [len(_ended(one, stops)) for one in alone],
    }


def _static(
    model: Any, prompts: list[list[int]], prefix: Any, decoding: dict[str, Any], known: list[list[int]]
) -> dict[str, Any]:
    """Two batches over a static cache, the first of which must find it equal; and one that must not."""
    import torch

    from tuiftune.engine.evaluation import compiled

    def written(state: Any, some: list[list[int]]) -> list[list[int]]:
        sizes = {"size": 24, "longest": max(map(len, prompts))}
        with torch.no_grad():
            found = state.decode(model, some, prefix, decoding, max_new_tokens=NEW, **sizes)
        return [_ended(one, decoding["eos_token_id"]) for one in found]

    state = compiled.StaticDecoding(worth=0.0)
    found = written(state, prompts[:24]) + written(state, prompts[24:])
    honest, other = compiled.batch, compiled.StaticDecoding(worth=0.0)
    compiled.batch = lambda *given: [[one + 1 for one in row] for row in honest(*given)]
    try:
        kept = written(other, prompts[:24]) + written(other, prompts[24:])
    finally:
        compiled.batch = honest
    wanted = [_ended(one, decoding["eos_token_id"]) for one in known]
    return {
        "equal": state.equal,
        "same": found == wanted,
        "lies": other.equal,
        "why": other.why,
        "same_without": kept == wanted,
    }


def _ended(tokens: list[int], stops: list[int]) -> list[int]:
    return tokens[: next((at + 1 for at, one in enumerate(tokens) if one in stops), len(tokens))]
