"""Python scripts and notebooks that train by TRL, as the options of its command line; nothing is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.interop.scripts import Computed, script
from tuiftune.interop.trained import OTHERS, STAGES, configuration, datasets, trainer
from tuiftune.interop.trl import SCRIPTED

if TYPE_CHECKING:
    from tuiftune.interop.scripts import Call, Script
    from tuiftune.interop.trained import Trainer

_TRAINS = re.compile(rf"\b({'|'.join(STAGES)})Trainer\s*\(")
_IMPORTS = re.compile(r"(?:^|\"|\\n)\s*(?:from|import)\s+trl\b", re.MULTILINE)  # in a notebook's JSON, too
UNREAD = "cells"
MODELS = ("AutoModelForCausalLM", "AutoModelForSequenceClassification", "AutoLigerKernelForCausalLM")
OBJECTS = (
    "model", "args", "train_dataset", "eval_dataset", "processing_class", "tokenizer", "data_collator",
    "peft_config", "callbacks", "compute_metrics", "model_init_kwargs", "quantization_config",
)  # fmt: skip
ADAPTER = {
    "r": "lora_r",
    "target_modules": "lora_target_modules",
    "modules_to_save": "lora_modules_to_save",
    "task_type": "lora_task_type",
}
OF_MODEL = ("dtype", "torch_dtype", "attn_implementation", "revision", "trust_remote_code")


def recognizes(text: str) -> bool:
    """Whether it looks like a script that trains by TRL."""
    return bool(_IMPORTS.search(text) and _TRAINS.search(text))


def arguments(text: str, place: str, stage: str | None = None) -> dict[str, Any]:
    """The literal arguments of the calls that matter, by the names of TRL's command line. `stage` chooses
    among several trainings. UserError where it is not Python, or trains nothing that can be read.
    """
    read = script(text, place)
    chosen, others = trainer(read, stage)
    if chosen is None:
        raise UserError(
            "calls no trainer of TRL's", place=place, remedy="give the script with SFTTrainer or another one"
        )
    found: dict[str, Any] = {}
    for call in configuration(read, chosen):
        found |= call.named
    found |= {key: value for key, value in chosen.call.named.items() if key not in OBJECTS}
    found |= _model(read, chosen, found.pop("model_init_kwargs", None))
    found |= _adapters(read, chosen)
    found |= datasets(read, chosen)
    found |= {"stage": chosen.stage, SCRIPTED: "Python"}
    if others:
        found[OTHERS] = others
    if read.unread:
        found[UNREAD] = read.unread
    return found


def _model(read: Script, chosen: Trainer, of_config: Any) -> dict[str, Any]:
    """The base model with its precision and quantization: named to the trainer, or loaded."""
    found: dict[str, Any] = {}
    loaded = [call for call in read.called("from_pretrained") if call.of.endswith(MODELS)]
    given = chosen.call.named.get("model", next(iter(chosen.call.positional), None))
    made: dict[str, Any] = dict(of_config) if isinstance(of_config, dict) else {}
    if isinstance(given, str) and not isinstance(given, Computed):
        found["model_name_or_path"] = given
    elif loaded:
        first = loaded[0]
        name = first.named.get("pretrained_model_name_or_path", next(iter(first.positional), None))
        found["model_name_or_path"] = name
        made |= first.named
    found |= {key: made[key] for key in OF_MODEL if key in made}
    if "revision" in found:
        found["model_revision"] = found.pop("revision")
    for call in read.called("BitsAndBytesConfig"):
        found |= {key: value for key, value in call.named.items() if key.startswith("load_in_")}
    return found


def _adapters(read: Script, chosen: Trainer) -> dict[str, Any]:
    """The arguments of its adapters, by the command line's names; none where it trains without."""
    given = read.bound(chosen.call, "peft_config")
    made = [given] if given is not None else read.called("LoraConfig")
    if not made:
        computed = chosen.call.named.get("peft_config")
        return {} if computed is None else {"use_peft": True, "peft_config": computed}
    adapter: Call = made[0]
    if adapter.name != "LoraConfig":
        return {"use_peft": True, "peft_config": Computed(adapter.name)}
    return {"use_peft": True} | {ADAPTER.get(key, key): value for key, value in adapter.named.items()}
