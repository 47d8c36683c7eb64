"""LLaMA-Factory's new layout (its `v1`): parts with a name each, and data described in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop import objectives
from tuiftune.interop.common import OWN_PLACE, PLANNED, RHYTHM, steps
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    flag,
    rate,
    real,
    shown,
    targets,
    whole,
)

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Rules

TOOL = "LLaMA-Factory v1"
OWN = frozenset({"model_class", "peft_config", "dist_config", "kernel_config", "sample_backend"})
SHARED = "tuiftune shards by its own plan: hardware.gpus"
ADAPTER: Rules = {
    "r": To("method.rank", whole),
    "lora_alpha": To("method.alpha", whole),
    "lora_dropout": To("method.dropout", real),
    "target_modules": To("method.target_modules", targets),
    "modules_to_save": To("method.modules_to_save", list),
}
RULES: Rules = {
    "model": To("model.base", str),
    "trust_remote_code": To("model.trust_remote_code", flag),
    "cutoff_len": To("data.max_length", whole),
    "eval_dataset": Cannot("its file describes datasets: name rows with --set data.eval=FILE"),
    "learning_rate": To("training.learning_rate", real),
    "num_train_epochs": To("training.epochs", real),
    "max_steps": To("training.max_steps", steps),
    "max_grad_norm": To("training.max_grad_norm", real),
    "seed": To("training.seed", whole),
    "save_steps": To("run.save_every", steps),
    "save_total_limit": To("run.checkpoints", whole),
    "output_dir": Moot(OWN_PLACE),
    "logging_steps": Moot(RHYTHM),
    "model_class": Moot("read from the model's config.json"),
    "kernel_config": Moot(f"fused kernels: {PLANNED}"),
    "flash_attn": Moot(f"attention kernel: {PLANNED}"),
    "bf16": Moot(f"precision: {PLANNED}"),
    "enable_activation_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "batching_strategy": Moot("rows are laid out by the plan"),
    "batching_workers": Moot("tuiftune reads and tokenizes data its own way"),
    "sample_backend": Moot("only concerns LLaMA-Factory's chat"),
    "max_new_tokens": Moot("only concerns LLaMA-Factory's chat"),
    "custom_chat_template": Cannot("the base model's own chat template is used"),
    "init_config": Moot("only concerns LLaMA-Factory"),
    "optim_config": Cannot("name an optimizer with training.optimizer"),
    "lr_scheduler_config": Cannot("name a schedule with training.schedule"),
    **dict.fromkeys(("dist_config", "cp_size", "cp_mode", "mp_shard_size"), Cannot(SHARED)),
}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like the new layout."""
    return "model" in document and bool(OWN & set(document))


def read(transfer: Transfer) -> None:
    """Carry a document over. Its rows are described in another file, so that they have to be named."""
    if transfer.left.get("pref_loss") or transfer.left.get("pref_beta"):
        loss = transfer.word("pref_loss", "sigmoid")
        other = str(loss) in ("orpo", "simpo")
        transfer.carry("pref_loss", loss, "method.stage", str(loss) if other else "dpo")
    objectives.read(transfer, objectives.LLAMAFACTORY)
    described = transfer.take("train_dataset")
    if described:
        why = "describes datasets in a file of its own: name the rows with --set data.train=FILE"
        transfer.leave("train_dataset", described, why)
    _technique(transfer)
    micro, whole_batch = transfer.take("micro_batch_size"), transfer.take("global_batch_size")
    for key, value in (("global_batch_size", whole_batch), ("micro_batch_size", micro)):
        if value is None:
            continue
        if key == "global_batch_size" or whole_batch is None:
            transfer.place(key, value, To("training.effective_batch", whole))
        else:
            transfer.leave(key, value, f"rows at once: {PLANNED}", "not needed")
    transfer.apply(RULES)
    rate(transfer)
    transfer.finish("llamafactory-v1")


def _technique(transfer: Transfer) -> None:
    adapter, quantized = _part(transfer, "peft_config"), _part(transfer, "quant_config")
    kind, bits = adapter.pop("name", None), quantized.get("quantization_bit")
    if kind is None:
        transfer.set("method.technique", "full")
    elif kind != "lora":
        transfer.leave("peft_config", kind, f"tuiftune has no {shown(kind)}; the plan chooses the technique")
    else:
        made = "qlora" if bits == 4 else "lora"
        transfer.carry("peft_config.name", kind, "method.technique", made)
        for key, value in adapter.items():
            if key in ADAPTER and value is not None:
                rule = ADAPTER[key]
                assert isinstance(rule, To)
                transfer.place(f"peft_config.{key}", value, rule)
            elif value is not None:
                transfer.leave(f"peft_config.{key}", value, "has no counterpart here")
    if quantized and bits != 4:
        transfer.leave("quant_config", shown(quantized), "tuiftune quantizes base models to 4 bits only")
    elif quantized:
        transfer.leave("quant_config", shown(quantized), "so is the base model of QLoRA", "not needed")


def _part(transfer: Transfer, key: str) -> dict[str, Any]:
    found = transfer.take(key)
    return dict(found) if isinstance(found, dict) else {}
