"""What other tools do where a key is not set, as far as tuiftune would do something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.interop.mapping import shown
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.interop.mapping import Transfer

ADAPTERS = ("lora", "qlora", "dora", "rslora", "loraplus", "pissa")
HELD_OUT = (
    "unset there: every row is trained on. Here 5% of the rows are held out, and training stops early if "
    "their loss no longer falls: data.eval: 0 trains on all"
)


@dataclass(frozen=True, slots=True)
class Unset:
    """A tool's value of one of its keys where nobody sets it.

    Attributes:
        key: the preset's.
        name: the tool's; `also`: others that set the same.
        value: a dictionary: by stage, nothing for the stages that it lacks. `full`: with all weights.
    """

    key: str
    name: str
    value: Any
    also: tuple[str, ...] = ()
    full: Any = None


def fill(transfer: Transfer, table: Sequence[Unset]) -> None:
    """Carry a tool's own values over where its document sets none and ours differ, and tell of each."""
    stage = str(transfer.get("method.stage") or "sft")
    adapters = transfer.get("method.technique") in ADAPTERS
    usual = Preset.model_validate({"model": {"base": "x"}, "data": {"train": "x"}})
    for one in table:
        section, _, name = one.key.partition(".")
        given = any(transfer.given.get(key) is not None for key in (one.name, *one.also))
        if given or transfer.get(one.key) is not None or (section == "method" and not adapters):
            continue
        value = one.value.get(stage) if isinstance(one.value, dict) else one.value
        if one.full is not None and not adapters:
            value = one.full
        if value is None or value == getattr(getattr(usual, section), name):
            continue
        transfer.lines = [line for line in transfer.lines if line.key != one.name]
        transfer.carry(one.name, None, one.key, value, f"unset there: {shown(value)}")


def held_out(transfer: Transfer, name: str) -> None:
    """Tell that rows are held out here where the other tool evaluates nothing."""
    if transfer.get("data.eval") is None and not transfer.given.get(name):
        transfer.leave(name, None, HELD_OUT, "changed")


def _by_stage(value: Any, *stages: str) -> dict[str, Any]:
    return dict.fromkeys(stages, value)


PAIRED = ("dpo", "kto", "orpo", "simpo", "reward")
SAMPLED = ("grpo", "rloo")
# transformers' TrainingArguments 5.24; its learning rate is LLaMA-Factory's as well
_TRAINER = (
    Unset("training.schedule", "lr_scheduler_type", "linear"),
    Unset("training.warmup_ratio", "warmup_ratio", 0.0, ("warmup_steps",)),
    Unset("training.epochs", "num_train_epochs", 3.0, ("max_steps",)),
)
_PLAIN = Unset("training.weight_decay", "weight_decay", 0.0)
_EIGHT = Unset("training.effective_batch", "per_device_train_batch_size", 8, ("gradient_accumulation_steps",))
# TRL 1.16
TRL = (
    *_TRAINER,
    _PLAIN,
    _EIGHT,
    Unset(
        "training.learning_rate",
        "learning_rate",
        {"sft": 2e-5, "reward": 1e-4} | _by_stage(1e-6, "dpo", "kto", "orpo", "simpo", *SAMPLED),
    ),
    Unset("data.max_length", "max_length", _by_stage(1024, "sft", *PAIRED), ("max_seq_length",)),
    Unset("data.packing", "packing", {"sft": False}),
)
TRL_ADAPTERS = (
    Unset("method.rank", "lora_r", 16),
    Unset("method.alpha", "lora_alpha", 32),
    Unset("method.dropout", "lora_dropout", 0.05),
)
# PEFT 0.21, whose LoraConfig scripts write out
PEFT_ADAPTERS = (Unset("method.rank", "lora_r", 8), Unset("method.alpha", "lora_alpha", 8))
# Unsloth, August 2026: TRL's settings with its own values, and transformers' as they are
UNSLOTH = (
    *_TRAINER,
    Unset("training.weight_decay", "weight_decay", 0.001),
    Unset("training.effective_batch", "per_device_train_batch_size", 8, ("gradient_accumulation_steps",)),
    Unset("training.learning_rate", "learning_rate", 5e-5),
    Unset("data.packing", "packing", {"sft": False}),
    Unset("method.rank", "r", 16),
    Unset("method.alpha", "lora_alpha", 16),
)
# LLaMA-Factory 0.9.5
LLAMAFACTORY = (
    *_TRAINER,
    _PLAIN,
    _EIGHT,
    Unset("training.learning_rate", "learning_rate", 5e-5),
    Unset("data.packing", "packing", {"sft": False, "pretrain": True}),
    Unset("method.rank", "lora_rank", 8),
)
# ms-swift 4, 22 August 2026
SWIFT = (
    Unset("training.learning_rate", "learning_rate", 1e-4, full=1e-5),
    Unset("training.warmup_ratio", "warmup_ratio", 0.0, ("warmup_steps",)),
    Unset("training.weight_decay", "weight_decay", 0.1),
    Unset("data.packing", "packing", _by_stage(False, "sft", "pretrain")),
    Unset("method.rank", "lora_rank", 8),
    Unset("method.alpha", "lora_alpha", 32),
    Unset("method.dropout", "lora_dropout", 0.05),
)
# Axolotl 0.21
AXOLOTL = (
    Unset("training.epochs", "num_epochs", 1.0, ("max_steps",)),
    Unset("training.weight_decay", "weight_decay", 0.0),
    Unset("training.effective_batch", "micro_batch_size", 1, ("gradient_accumulation_steps", "batch_size")),
    Unset("data.max_length", "sequence_len", 512),
    Unset("data.packing", "sample_packing", _by_stage(False, "sft", "pretrain")),
)
