"""LoRA and DoRA adapters: which layers they go to, their rank, and the precision they are kept in."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from tuiftune.engine.settings import Settings

ATTENTION_PARTS = ("attn", "attention")
# Encoders of pictures and sound in a multimodal wrapper: text never passes them, adapters learn nothing.
OTHER_TOWERS = r".*(vision|visual|audio|speech|multi_modal_projector).*"


def adapt(model: Any, settings: Settings) -> Any:
    """The model with fresh adapters, which leave its answers unchanged until they are trained."""
    from peft import LoraConfig, get_peft_model

    method = settings.preset.method
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=int(method.rank),
        lora_alpha=int(method.alpha),
        lora_dropout=method.dropout,
        target_modules=targets(model, method.target_modules),
        exclude_modules=OTHER_TOWERS if _has_other_towers(model) else None,
        use_dora=method.technique == "dora",
        bias="none",
    )
    adapted = get_peft_model(model, config)
    cast(adapted, settings)
    return adapted


def targets(model: Any, wanted: str | list[str]) -> str | list[str]:
    """What PEFT is to adapt. UserError for a name that no linear layer has, naming the nearest."""
    if wanted == "all-linear":
        return "all-linear"
    linear = _linear_layers(model)
    if wanted == "attention":
        names = {path.rpartition(".")[2] for path in linear if any(part in path for part in ATTENTION_PARTS)}
        if not names:
            raise UserError(
                "no attention layer found to adapt", place="method.target_modules", remedy="use all-linear"
            )
        return sorted(names)
    names = {path.rpartition(".")[2] for path in linear}
    chosen = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in chosen:
        if name in names or any(path == name or path.endswith("." + name) for path in linear):
            continue
        near = difflib.get_close_matches(name, names, 1)
        raise UserError(
            f"the model has no linear layer called {name}",
            place="method.target_modules",
            remedy=f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(names))}",
        )
    return chosen


def dtype_of(settings: Settings) -> Any:
    """What the plan says, else float32: bfloat16 rounds small updates away (TRL takes it over a 4-bit base).

    DoRA's magnitudes always stay in float32: their updates are smaller than bfloat16 resolves (TRL 1.16,
    #7268).
    """
    import torch

    return torch.bfloat16 if settings.adapter_dtype == "bfloat16" else torch.float32


def cast(model: Any, settings: Settings) -> None:
    """Bring the adapters to their precision.

    Needed again after every load, since PEFT raises them to float32.
    """
    import torch

    dtype = dtype_of(settings)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32 if "magnitude_vector" in name else dtype)


def _linear_layers(model: Any) -> list[str]:
    import torch

    head = model.get_output_embeddings()
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not head and not re.fullmatch(OTHER_TOWERS, name)
    ]


def _has_other_towers(model: Any) -> bool:
    return any(re.fullmatch(OTHER_TOWERS, name) for name, _ in model.named_modules())
