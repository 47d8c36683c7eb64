"""Soup's YAML (0.77)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.common import OWN_PLACE, PLANNED, RHYTHM
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    flag,
    known_to,
    over_four_bits,
    rate,
    real,
    schedule,
    shown,
    targets,
    whole,
)
from tuiftune.interop.rows import Source, put

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Rules

TOOL = "Soup"
STAGES = {"reward_model": "reward"}
FORMATS = {
    "alpaca": "instruction",
    "sharegpt": "sharegpt",
    "chatml": "chat",
    "dpo": "preference",
    "kto": "kto",
    "plaintext": "text",
    "auto": "auto",
}
RATIO = "training.loraplus_lr_ratio"
RULES: Rules = {
    "base": To("model.base", str),
    "data.max_length": To("data.max_length", whole),
    "data.val_split": To("data.eval", real),
    "data.chat_template": Cannot("the base model's own chat template is used"),
    "data.train_on_responses_only": To("data.loss_on", lambda on: "assistant" if flag(on) else "all"),
    "data.replay": Cannot("name it under data.mix"),
    "training.lora.r": To("method.rank", whole),
    "training.lora.alpha": To("method.alpha", whole),
    "training.lora.dropout": To("method.dropout", real),
    "training.epochs": To("training.epochs", real),
    "training.lr": To("training.learning_rate", real),
    "training.scheduler": To("training.schedule", schedule),
    "training.warmup_ratio": To("training.warmup_ratio", real),
    "training.weight_decay": To("training.weight_decay", real),
    "training.max_grad_norm": To("training.max_grad_norm", real),
    "training.optimizer": To("training.optimizer", str),
    "training.seed": To("training.seed", whole),
    "training.save_steps": To("run.save_every", whole),
    "training.packing": To("data.packing", flag),
    "training.use_liger": Moot(f"fused kernels: {PLANNED}"),
    "training.use_flash_attn": Moot(f"attention kernel: {PLANNED}"),
    "training.gradient_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "training.auto_batch_size_strategy": Moot(f"micro-batch: {PLANNED}"),
    "training.logging_steps": Moot(RHYTHM),
    "training.eval_steps": Moot(RHYTHM),
    "modality": Moot("tuiftune trains text models"),
    "backend": Moot("only concerns Soup"),
    "output": Moot(OWN_PLACE),
    "experiment_name": Moot("name the run with `tuiftune train --name`"),
    "eval": Moot("`tuiftune evaluate` measures a run on your own rows"),
    "advise": Moot("`tuiftune advise` weighs it"),
}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of Soup's."""
    return "base" in document and isinstance(document.get("data"), dict)


def read(transfer: Transfer) -> None:
    """Carry a Soup document over; its keys are told with the sections that they stand in."""
    _flatten(transfer)
    task = transfer.word("task", "sft")
    transfer.carry("task", task, "method.stage", STAGES.get(str(task), str(task)))
    _technique(transfer)
    train = transfer.take("data.train")
    form = transfer.word("data.format", "auto")
    known = FORMATS.get(str(form))
    said = None if known else f"{shown(form)}: the rows' format is detected"
    put(transfer, [Source("data.train", train, known or "auto", said=said)], "data.train")
    if form != "auto":
        transfer.leave("data.format", form, said or "with data.train", "not needed" if known else "left out")
    if transfer.left.get("training.batch_size") == "auto":
        transfer.leave("training.batch_size", transfer.take("training.batch_size"), PLANNED, "not needed")
    batch(transfer, "training.batch_size", "training.gradient_accumulation_steps", 1)
    transfer.apply({key: rule for key, rule in RULES.items() if key in known_to("soup")})
    rate(transfer)
    transfer.finish("soup")


def _technique(transfer: Transfer) -> None:
    """Soup trains LoRA, over a 4-bit base model unless it is told otherwise."""
    kind = transfer.word("training.quantization")
    marks = {
        "training.lora.use_dora": "dora",
        "training.lora.use_rslora": "rslora",
        RATIO: "loraplus",
    }
    ratio = transfer.left.get(RATIO)
    chosen = [key for key in marks if transfer.take(key)]
    if transfer.left.get("training.lora.init_strategy") == "pissa":
        chosen.append("training.lora.init_strategy")
        marks[chosen[-1]] = "pissa"
        transfer.take(chosen[-1])
    if kind in (None, "4bit"):
        why = "" if kind else "Soup's default: LoRA over a 4-bit base model"
        kinds = {key: marks[key] for key in reversed(chosen)}
        over_four_bits(transfer, "training.quantization", kind or "4bit", kinds, ratio, why)
    else:
        if kind != "none":
            said = f"tuiftune does not quantize a base model to {shown(kind)}: 16-bit, or 4-bit with qlora"
            transfer.leave("training.quantization", kind, said)
        first = chosen[0] if chosen else "training.quantization"
        transfer.carry(first, True if chosen else kind, "method.technique", marks.get(first, "lora"))
        if first == RATIO:
            transfer.place(RATIO, ratio, To("method.loraplus_lr_ratio", real))
        for key in chosen[1:]:
            transfer.leave(key, True, f"one technique at a time: {marks[first]}")
    modules = transfer.take("training.lora.target_modules")
    if modules not in (None, "auto"):
        transfer.place("training.lora.target_modules", modules, To("method.target_modules", targets))
    elif modules:
        transfer.leave("training.lora.target_modules", modules, "PEFT's choice: all linear layers here")


def _flatten(transfer: Transfer) -> None:
    """`training: {lora: {r}}` as `training.lora.r`, in what is left and in what was given."""
    flat: dict[str, Any] = {}
    for key, value in transfer.left.items():
        if key in ("data", "training") and value == {}:
            transfer.leave(key, value, "empty", "not needed")
        elif key in ("data", "training") and isinstance(value, dict):
            for name, inner in value.items():
                if name == "lora" and isinstance(inner, dict):
                    flat |= {f"training.lora.{leaf}": found for leaf, found in inner.items()}
                else:
                    flat[f"{key}.{name}"] = inner
        else:
            flat[key] = value
    transfer.left = flat
    transfer.given = dict(flat)
