"""Unsloth scripts and notebooks: the literal arguments of its calls, read without running anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.interop import objectives, trl, unset
from tuiftune.interop.common import ARGUMENTS, PLANNED, shared
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    flag,
    over_four_bits,
    rate,
    warmup,
    whole,
)
from tuiftune.interop.rows import loaded, paths, put
from tuiftune.interop.scripts import Computed, script
from tuiftune.interop.trained import OTHERS, configuration, datasets, trainer

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Rules
    from tuiftune.interop.trl import Columns

TOOL = "Unsloth"
ANSWERS_ONLY = "train_on_responses_only"
ADAPTERS = "get_peft_model"
UNREAD = "cells"
MODELS = ("FastLanguageModel", "FastModel", "FastVisionModel")
POSITIONS = ("model_name", "max_seq_length", "dtype", "load_in_4bit")  # of their from_pretrained
OBJECTS = ("model", "tokenizer", "train_dataset", "eval_dataset", "args", "data_collator", "processing_class")
UNQUANTIZED = ("load_in_16bit", "load_in_fp8", "load_in_8bit")  # switch its 4 bits off


def _all(value: object) -> None:
    """None where layers of a kind are trained. ValueError where they are not."""
    if not flag(value):
        raise ValueError("name the modules that get adapters: method.target_modules")


RULES: Rules = {
    **dict.fromkeys(OBJECTS, Moot("an object of the script")),
    "model_name": To("model.base", lambda value: re.sub(r"(-unsloth)?-bnb-4bit$", "", str(value))),
    "revision": To("model.revision", str),
    "r": To("method.rank", whole),
    "random_state": To("training.seed", whole),
    "use_gradient_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "bias": Moot("adapters have no bias here"),
    "loftq_config": Cannot("tuiftune has no LoftQ"),
    "token": Moot("tokens come from the environment"),
    "fast_inference": Moot("only concerns Unsloth"),
    "max_lora_rank": Moot("only concerns Unsloth's sampling"),
    "unsloth_force_compile": Moot("only concerns Unsloth"),
    "offload_embedding": Moot(f"memory: {PLANNED}"),
    "device_map": Moot(f"memory: {PLANNED}"),
    "task_type": Moot("read from the model"),
    "load_in_16bit": Moot("part of the technique"),
    "gpu_memory_utilization": Moot("hardware.memory_limit limits GPU memory"),
    "dataset_text_field": Moot("rows are read as they are, and rendered by the model's template"),
    "formatting_func": Cannot("rows are read as they are, and rendered by the model's template"),
    "embedding_learning_rate": Cannot("all that is trained has one learning rate"),
    "qat_scheme": Cannot("tuiftune does not train for a later quantization"),
    "finetune_vision_layers": Cannot("tuiftune trains text models"),
    "finetune_audio_layers": Cannot("tuiftune trains text models"),
    **dict.fromkeys(
        ("finetune_language_layers", "finetune_attention_modules", "finetune_mlp_modules"),
        To("method.target_modules", _all, "all of them are here, too"),
    ),
    OTHERS: Cannot("only one training is read. For another one add --set method.stage=STAGE"),
    UNREAD: Cannot("not Python here: what is set in them is not read"),
}


def recognizes(text: str) -> bool:
    """Whether it looks like a script that uses Unsloth."""
    return "unsloth" in text and any(name in text for name in MODELS)


def arguments(text: str, place: str, stage: str | None = None) -> dict[str, Any]:
    """The literal arguments of the calls that matter, `stage` for the one it trains. `stage` chooses among
    several trainings. UserError without any argument, or where it is not Python.
    """
    read = script(text, place)
    found: dict[str, Any] = {}
    chosen, others = trainer(read, stage)
    loaded = [call for call in read.called("from_pretrained") if call.of.endswith(MODELS)]
    if loaded:
        found |= dict(zip(POSITIONS, loaded[0].positional, strict=False)) | loaded[0].named
    adapters = [call for call in read.called(ADAPTERS) if call.of.endswith(MODELS) or not call.of]
    if adapters:
        found |= {ADAPTERS: True} | adapters[0].named
    for call in configuration(read, chosen):
        found |= call.named
    if chosen is not None:
        found |= chosen.call.named
    found |= datasets(read, chosen)
    if read.called(ANSWERS_ONLY):
        found[ANSWERS_ONLY] = True
    if not found:
        raise UserError(
            "calls nothing of Unsloth's with arguments to read",
            place=place,
            remedy="give the script with FastLanguageModel.from_pretrained",
        )
    if chosen is not None:
        found["stage"] = chosen.stage
    if others:
        found[OTHERS] = others
    if read.unread:
        found[UNREAD] = read.unread
    return found


def read(transfer: Transfer, columns: Columns = lambda files: None) -> None:
    """Carry a script's arguments over. `columns`: of the rows of some files, None where they are not here."""
    for key, value in list(transfer.left.items()):
        if isinstance(value, Computed) and not isinstance(ARGUMENTS.get(key, RULES.get(key)), Moot):
            transfer.leave(key, transfer.take(key), "computed by the script: set it by hand")
    stage = trl.carried_stage(transfer)
    objectives.read(transfer, objectives.TRL)
    _technique(transfer)
    put(transfer, loaded(transfer), "data.train")
    batch(transfer, "per_device_train_batch_size", "gradient_accumulation_steps")
    warmup(transfer)
    if transfer.take(ANSWERS_ONLY):
        transfer.carry(ANSWERS_ONLY, True, "data.loss_on", "assistant")
    elif transfer.get("method.stage") == "sft":
        trl.loss(transfer, columns(paths(transfer)))
    transfer.apply(shared() | RULES)
    unset.fill(transfer, unset.UNSLOTH)
    unset.held_out(transfer, "eval_dataset")
    rate(transfer)
    transfer.finish(trl.keys_of(stage))


def _technique(transfer: Transfer) -> None:
    four, eight, full = (transfer.word(key) for key in ("load_in_4bit", "load_in_8bit", "full_finetuning"))
    adapters = transfer.take(ADAPTERS) is not None
    transfer.settle(ADAPTERS, True, "adapters are trained")
    if eight or (four is None and any(transfer.left.get(key) for key in UNQUANTIZED)):
        four = False
    marks = {"use_rslora": "rslora", "use_dora": "dora"}
    chosen = [key for key in marks if transfer.take(key)]
    if full or not adapters:
        transfer.carry("full_finetuning", bool(full), "method.technique", "full")
    elif four is not False:
        why = "" if four else "Unsloth's default"
        over_four_bits(transfer, "load_in_4bit", True, {key: marks[key] for key in chosen}, why=why)
    elif chosen:
        transfer.carry(chosen[0], True, "method.technique", marks[chosen[0]])
    else:
        transfer.carry("load_in_4bit", four, "method.technique", "lora")
    if transfer.take("load_in_fp8"):
        transfer.carry("load_in_fp8", True, "model.quantization", "fp8")
    if eight:
        transfer.leave("load_in_8bit", eight, "tuiftune has no 8-bit base: 16-bit, or 4-bit with qlora")
