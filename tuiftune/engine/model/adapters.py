"""Adapters: their target layers, modules saved with them, and their precision."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.techniques import automatic

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuiftune.engine.training.settings import Settings

ATTENTION_PARTS = ("attn", "attention")
NUMBERS_OF_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
EXPERTS = re.compile(r"expert|moe", re.IGNORECASE)
# Encoders of pictures and sound, where a wrapper doesn't say what its language model is.
OTHER_TOWERS = r".*(vision|visual|audio|speech|multi_modal_projector).*"
_CODE = (
    "transformers.models.",
    "transformers_modules.",
)  # where classes of models are, unlike those of quantizers
SCORES = "score"  # the head of a model that answers with one number
SLICED = "slow_but_exact"  # a switch of BLOOM's, under which alone its layers are read around


def config(model: Any, wanted: str | list[str], whole: list[str], **options: Any) -> Any:
    """Return PEFT's configuration: `wanted` names adapted modules, `whole` modules trained in full.

    Never adapted: encoders of pictures and sound, and weights that the model reads around their layer.
    """
    from peft import LoraConfig

    unread = not_read_back(model)
    if not linear_layers(model).keys() - unread:
        raise UserError(
            "PEFT cannot load adapters for any layer",
            place="method.technique",
            remedy=f"use {automatic(tiny=True)[0].key}",
        )
    chosen = targets(model, wanted)
    left_out = [towers] if (towers := other_towers(model)) else []
    left_out += sorted({r"\.\d+".join(map(re.escape, re.split(r"\.\d+(?=\.)", path))) for path in unread})
    if chosen == "all-linear":
        left_out += sorted({rf".*\.{path}" for path in passed_by(model).values()})
    saved = modules_to_save(model, whole)
    return LoraConfig(
        task_type=task_of(model),
        target_modules=chosen,
        target_parameters=expert_parameters(model, unread) if chosen == "all-linear" else None,
        exclude_modules="|".join(left_out) if left_out else None,
        modules_to_save=saved,
        ensure_weight_tying=bool(saved) and _tied(model),
        bias="none",
        **options,
    )


def task_of(model: Any) -> str:
    """PEFT's name of what the model answers with: a number, or text."""
    return "SEQ_CLS" if hasattr(model, SCORES) else "CAUSAL_LM"


def in_full(model: Any, **parts: Any) -> Any:
    """PEFT's configuration of a model with no low-rank adapter, but `parts` that are trained in full."""
    from peft import LoraConfig
    from peft.utils.constants import DUMMY_TARGET_MODULES

    return LoraConfig(task_type=task_of(model), r=1, target_modules=DUMMY_TARGET_MODULES, **parts)


def holders(model: Any) -> dict[str, Any]:
    """The modules that hold weights themselves, by path: all that text passes, but embeddings and head."""
    towers = other_towers(model)
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    return {
        path: module
        for path, module in model.named_modules()
        if any(True for _ in module.parameters(recurse=False))
        and not any(module is end for end in ends)
        and not (towers and re.fullmatch(towers, path))
    }


def targets(model: Any, wanted: str | list[str]) -> str | list[str]:
    """What PEFT is to adapt. UserError for a name that no linear layer has, naming the nearest."""
    if wanted == "all-linear":
        return "all-linear"
    linear = linear_layers(model)
    around = passed_by(model)
    if wanted == "attention":
        names = {
            path.rpartition(".")[2]
            for path in linear
            if path not in around and any(part in path.lower() for part in ATTENTION_PARTS)
        }
        if not names:
            raise UserError(
                "no attention layer found to adapt", place="method.target_modules", remedy="use all-linear"
            )
        return sorted(names)
    names = {path.rpartition(".")[2] for path in linear if path not in around}
    chosen = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in chosen:
        if name in names or any(path == name or path.endswith("." + name) for path in linear):
            continue
        near = difflib.get_close_matches(name, names, 1)
        raise UserError(
            f"the model has no linear layer called {name} that can be adapted",
            place="method.target_modules",
            remedy=f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(names))}",
        )
    return chosen


def modules_to_save(model: Any, wanted: list[str]) -> list[str] | None:
    """Return the modules trained in full with the adapters, by the model's names; None if there are none.

    `embeddings` and `lm_head` mean the model's input and output embeddings, whatever it calls them.
    """
    if not wanted:
        return None
    found: dict[str, None] = {}
    names = {id(module): name for name, module in model.named_modules()}
    ends = {"embeddings": model.get_input_embeddings(), "lm_head": model.get_output_embeddings()}
    leaves = {name.rpartition(".")[2] for name in names.values()} - {""}
    for name in wanted:
        module = ends.get(name)
        if module is None and name not in leaves and name not in names.values():
            near = difflib.get_close_matches(name, leaves, 1)
            raise UserError(
                f"the model has no module called {name}",
                place="method.modules_to_save",
                remedy=f"did you mean {near[0]}?"
                if near
                else "use embeddings, lm_head, or the name of a module",
            )
        if module is ends["lm_head"] and module is not None and _tied(model):
            name, module = "embeddings", ends["embeddings"]  # one weight: PEFT ties the copies
        found[names[id(module)].rpartition(".")[2] if module is not None else name] = None
    return list(found)


def expert_parameters(model: Any, unread: Collection[str] = ()) -> list[str] | None:
    """Experts held in 3-D parameters, for PEFT's `target_parameters`, but for those of the modules `unread`;
    None where PEFT finds them itself.
    """
    from peft.utils.transformers_weight_conversion import _MODEL_TO_CONVERSION_PATTERN, _MOE_FUSED_TARGETS

    kind = getattr(model.config, "model_type", None)
    if _MODEL_TO_CONVERSION_PATTERN.get(kind) in _MOE_FUSED_TARGETS:
        return None
    chosen = [name for name in experts(model) if name.rpartition(".")[0] not in unread]
    return sorted({re.sub(r".*?layers\.\d+\.", "", name) for name in chosen}) or None


def not_read_back(model: Any) -> set[str]:
    """Layers whose adapters PEFT looks for under another name when it loads them, and so loses in silence:
    it renames what it reads as transformers renames the weights of such a model's files.
    """
    import torch
    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers

    held = [name.rpartition(".")[0] for name in experts(model)] if expert_parameters(model) else []
    paths = {f"base_model.model.{path}.lora_A.weight": path for path in (*linear_layers(model), *held)}
    saved = {
        name: torch.empty(1, 1, device="meta")
        for key in paths
        for name in (key, key.replace("lora_A", "lora_B"))
    }
    read = convert_peft_adapter_state_dict_for_transformers(model, LoraConfig(r=1), saved)
    return {path for key, path in paths.items() if key not in read}


def experts(model: Any) -> dict[str, Any]:
    """The 3-D parameters that hold a mixture's experts, by path."""
    towers = other_towers(model)
    text = model.config.get_text_config()
    counts = {getattr(text, name, None) for name in NUMBERS_OF_EXPERTS} - {None}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() == 3
        and (EXPERTS.search(name) or (parameter.shape[0] in counts and "conv" not in name))
        and not (towers and re.fullmatch(towers, name))
    }


def passed_by(model: Any) -> dict[str, str]:
    """Linear layers whose weight their parent reads itself, by path, with the last two parts of it: an
    adapter on one would be trained and not used (Mamba's fused kernels; some read it in plain code as well).
    """
    found = {}
    linear = _linear_kinds()
    read: dict[type, frozenset[str]] = {}
    towers = other_towers(model)
    sliced = bool(getattr(model.config, SLICED, False))
    for path, module in model.named_modules():
        if towers and re.fullmatch(towers, path):
            continue
        kind = type(module)
        if kind not in read:
            read[kind] = _read_directly(kind, sliced)
        if kind.__module__.startswith(_CODE) and isinstance(module, linear[0]) and not _is_linear(module):
            found[path] = re.escape(".".join(path.split(".")[-2:]))
        for name in read[kind]:
            if isinstance(getattr(module, name, None), linear):
                found[f"{path}.{name}"] = rf"{path.rpartition('.')[2]}\.{name}"
    return found


def _is_linear(layer: Any) -> bool:
    """Whether a linear layer of a model's own class gives what such a layer gives: routers return more than
    logits, grouped layers take several inputs at once. An adapter's output is added to it.
    """
    import torch

    into, out = layer.in_features, layer.out_features
    held = {name: torch.empty_like(one, device="meta") for name, one in layer.state_dict().items()}
    try:
        given = torch.func.functional_call(layer, held, (torch.empty(1, 2, into, device="meta"),))
    except (RuntimeError, TypeError, ValueError):
        return False
    return isinstance(given, torch.Tensor) and given.shape == (1, 2, out)


def _read_directly(kind: type, sliced: bool) -> frozenset[str]:
    """Attributes of which a module's own code uses the weight's values."""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return frozenset()
    if SLICED in source and not sliced:
        return frozenset()
    return frozenset(re.findall(r"self\.(\w+)\.weight\b(?!\.(?:dtype|device|shape|size|data))", source))


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


def freeze_towers(model: Any) -> None:
    """Leave alone what text doesn't pass: it gets no gradients, and would only cost memory for them."""
    towers = other_towers(model)
    for name, parameter in model.named_parameters():
        if towers and re.fullmatch(towers, name):
            parameter.requires_grad_(False)


def linear_layers(model: Any) -> dict[str, Any]:
    """The layers that adapters can go to, by path: linear and GPT-2's Conv1D, without head and towers."""
    head, towers = model.get_output_embeddings(), other_towers(model)
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, _linear_kinds())
        and layer is not head
        and not (towers and re.fullmatch(towers, name))
    }


def other_towers(model: Any) -> str | None:
    """A pattern of the paths that text doesn't pass: all outside a wrapper's language model, but the head."""
    if any(re.fullmatch(OTHER_TOWERS, name) for name, _ in model.named_modules()):
        core = model.get_base_model() if hasattr(model, "get_base_model") else model
        language = core.get_decoder() if hasattr(core, "get_decoder") else None
        names = {id(module): name for name, module in model.named_modules()}
        head = names.get(id(core.get_output_embeddings()), "lm_head")
        inside = names.get(id(language), "")
        if (
            language is not None
            and inside
            and not any(re.fullmatch(OTHER_TOWERS, name) for name, _ in language.named_modules())
        ):
            return rf"(?!({re.escape(inside)}|{re.escape(head)})(\.|$)).+"
        return OTHER_TOWERS
    return None


def _linear_kinds() -> tuple[type, ...]:
    import torch
    from transformers.pytorch_utils import Conv1D

    return (torch.nn.Linear, Conv1D)


def _tied(model: Any) -> bool:
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    return head is not None and head.weight is embeddings.weight


def are_off(model: Any) -> bool:
    """Return True if the model's adapters are switched off."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    kinds = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    return any(isinstance(one, kinds) and one.disable_adapters for one in model.modules())
