"""`python -m tuiftune.engine describe CONFIG`: what a model is, counted on the meta device, as JSON.

transformers builds the model of the config with tensors that weigh nothing, and PEFT adapts it.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse

DEEPEST = 2048  # layers; more is no model
LENGTHS = (128, 256, 384)  # tokens that activations are counted at
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_blocks")
SHORTER = (16, 32, 48)  # where a model goes from token to token
PATIENCE = 3.0  # seconds of the first, before the shorter ones are taken


def main(given: argparse.Namespace) -> ExitCode:
    """Print the document. UserError where transformers doesn't know the model or can't build it."""
    config = documents.read_json(Path(given.config))
    sys.stdout.write(json.dumps(describe(config)) + "\n")
    return ExitCode.DONE


def describe(config: dict[str, Any]) -> dict[str, Any]:
    """Parameters, linear layers, sizes, what adapters reach and what a step keeps, of a parsed config."""
    from tuiftune.engine.model import adapters
    from tuiftune.engine.training import optimizations

    warnings.simplefilter("ignore")
    model = on_meta(config)
    text = model.config.get_text_config()
    linear = adapters.linear_layers(model)
    total = model.num_parameters()
    kept = _kept(model)
    found = {
        "class": type(model).__name__,
        "parameters": total,
        "sizes": _sizes(model, text, linear),
        "linears": _shapes(linear),
        "sdpa": bool(getattr(model, "_supports_sdpa", False)),
        "checkpoints": bool(optimizations.decoder_layers(model)),
        "kept": kept,
        "experts": sum(one.numel() for one in adapters.experts(model).values()),
        "beside": _beside(model),
    }
    return {**found, "adapters": {name: _adapted(config, name) for name in ("all-linear", "attention")}}


def on_meta(config: dict[str, Any]) -> Any:
    """The model of a parsed config, its tensors without memory. UserError names its type and the fault."""
    import torch
    from transformers import CONFIG_MAPPING, AutoConfig, __version__

    from tuiftune.engine.model.base import class_of

    kind = str(config.get("model_type"))
    fields = {key: value for key, value in config.items() if key not in ("model_type", "quantization_config")}
    depths = [value for key, value in _numbers(fields) if key in DEPTHS]
    if any(depth > DEEPEST for depth in depths):
        raise UserError(f"'{kind}' with {max(depths):,} layers cannot be built")
    if kind not in CONFIG_MAPPING:
        raise UserError(f"model_type '{kind}' is not known to transformers {__version__}")
    try:
        with TemporaryDirectory(
            prefix="tuiftune-"
        ) as room:  # read as from a file: infinities are spelled out
            (Path(room) / "config.json").write_text(json.dumps({**fields, "model_type": kind}), "utf-8")
            built = AutoConfig.from_pretrained(room)
    except Exception as fault:
        raise _unbuilt(kind, fault) from fault
    auto = class_of(built)
    try:
        with torch.device("meta"):
            return auto.from_config(built)
    except Exception as fault:
        raise _unbuilt(kind, fault) from fault


def _unbuilt(kind: str, fault: Exception) -> UserError:
    said = " ".join(str(fault).split())[:200] or type(fault).__name__
    return UserError(f"transformers cannot build this '{kind}': {said}")


def _numbers(node: Any) -> list[tuple[str, int]]:
    if not isinstance(node, dict):
        return []
    own = [(key, value) for key, value in node.items() if type(value) is int]
    return own + [pair for value in node.values() for pair in _numbers(value)]


def _sizes(model: Any, text: Any, linear: dict[str, Any]) -> dict[str, int]:
    """The dimensions that memory and speed are predicted from, as far as the config names them."""
    embeddings = model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    hidden = int(embeddings.shape[1])
    if (named := getattr(text, "hidden_size", None)) and type(named) is int:
        hidden = named
    widths = [size for layer in linear.values() for size in _in_out(layer)]
    heads = _size(text, "num_attention_heads") or 1
    return {
        "hidden": hidden,
        "intermediate": max(widths, default=hidden),
        "layers": _size(text, "num_hidden_layers") or 1,
        "heads": heads,
        "kv_heads": _size(text, "num_key_value_heads") or heads,
        "head_dim": _size(text, "head_dim") or max(1, hidden // heads),
        "vocabulary": int(embeddings.shape[0]),
        "length": _size(text, "max_position_embeddings") or 0,
        "experts": max((_size(text, name) for name in _experts_names()), default=0),
        "chosen": _size(text, "num_experts_per_tok") or _size(text, "moe_topk") or 1,
        "expert_width": _size(text, "moe_intermediate_size") or _size(text, "intermediate_size"),
        "tied": int(head is None or head.weight is embeddings),
    }


def _experts_names() -> tuple[str, ...]:
    from tuiftune.engine.model import adapters

    return adapters.NUMBERS_OF_EXPERTS


def _size(config: Any, name: str) -> int:
    found = getattr(config, name, None)
    return found if type(found) is int else 0


def _in_out(layer: Any) -> tuple[int, int]:
    """Of a linear layer, or of GPT-2's Conv1D, whose weight is (in, out)."""
    if hasattr(layer, "in_features"):
        return int(layer.in_features), int(layer.out_features)
    return int(layer.weight.shape[0]), int(layer.weight.shape[1])


def _shapes(linear: dict[str, Any]) -> list[list[Any]]:
    """[name, in, out, how many, whether in attention] of the layers that adapters can go to."""
    from tuiftune.engine.model import adapters

    many = Counter(
        (
            path.rpartition(".")[2],
            *_in_out(layer),
            any(part in path.lower() for part in adapters.ATTENTION_PARTS),
        )
        for path, layer in linear.items()
    )
    return [[name, into, out, count, inside] for (name, into, out, inside), count in many.items()]


def _beside(model: Any) -> int:
    """Parameters that text doesn't pass: of a wrapper's encoders and projectors."""
    import re

    from tuiftune.engine.model import adapters

    towers = adapters.other_towers(model)
    if towers is None:
        return 0
    return sum(p.numel() for name, p in model.named_parameters() if re.fullmatch(towers, name))


def _adapted(config: dict[str, Any], wanted: str) -> dict[str, Any] | None:
    """LoRA on these targets: parameters at rank 1, DoRA's in addition, and the weights adapted of those that
    could be; None where nothing can be.
    """
    from peft import get_peft_model

    from tuiftune.engine.model import adapters

    model = on_meta(config)
    linear = {name: layer.weight.numel() for name, layer in adapters.linear_layers(model).items()}
    experts = {name: one.numel() for name, one in adapters.experts(model).items()}
    try:
        made = adapters.config(model, wanted, [], r=1, lora_alpha=1, lora_dropout=0.0)
        adapted = get_peft_model(model, made, autocast_adapter_dtype=False, low_cpu_mem_usage=True)
    except (UserError, ValueError):
        return None
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    prefix = "base_model.model."
    wrapped = [
        (name.removeprefix(prefix), module)
        for name, module in adapted.named_modules()
        if hasattr(module, "lora_A") and len(module.lora_A)
    ]
    reached = 0
    magnitudes = 0
    held = False
    for name, module in wrapped:
        if type(module).__name__ == "ParamWrapper":
            held = True
            reached += module.get_param().numel()
        else:
            reached += linear.get(name, 0)
            magnitudes += int(module.out_features)
    whole = sum(linear.values()) + sum(experts.values())
    return {
        "rank": trained,
        "magnitudes": None if held else magnitudes,
        "reached": min(reached, whole),
        "of": whole,
        "held": held,
    }


def _kept(model: Any) -> list[float] | None:
    """Bytes that a float32 forward pass keeps for the backward pass, as a + b·S + c·S² of S tokens; None
    where its course depends on values, which the meta device doesn't have.
    """
    model.train()
    began = time.monotonic()
    if (first := _kept_of(model, SHORTER[0])) is None:
        return None
    slow = (time.monotonic() - began) * LENGTHS[0] / SHORTER[0] > PATIENCE
    low, middle, high = SHORTER if slow else LENGTHS
    one = first if slow else _kept_of(model, low)
    two, three = _kept_of(model, middle), _kept_of(model, high)
    if one is None or two is None or three is None:
        return None
    bend = max(0.0, ((three - two) / (high - middle) - (two - one) / (middle - low)) / (high - low))
    slope = max(0.0, (three - one) / (high - low) - bend * (high + low))
    return [max(0.0, one - slope * low - bend * low**2), slope, bend]


def _kept_of(model: Any, length: int) -> float | None:
    import torch

    seen: dict[int, Any] = {}
    own = {one.untyped_storage()._cdata for one in (*model.parameters(), *model.buffers())}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            seen[storage._cdata] = storage  # held, so that no other gets its place
        return tensor

    ids = torch.zeros((1, length), dtype=torch.long, device="meta")
    mask = torch.zeros((1, 1, length, length), device="meta")
    for given in ({}, {"attention_mask": mask}):  # without a mask most look at the values of positions
        seen.clear()
        try:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                output = model(input_ids=ids, use_cache=False, **given)
            break
        except Exception:  # whatever a model's code does with a tensor that has no values
            continue
    else:
        return None
    del output
    return float(sum(storage.nbytes() for storage in seen.values()))
