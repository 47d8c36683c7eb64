"""Keys that several tools share: of transformers' TrainingArguments, of PEFT and of TRL."""

from __future__ import annotations

import json
import re

from tuiftune import trackers as experiments
from tuiftune.interop.mapping import (
    NEUTRAL,
    Cannot,
    Moot,
    Rules,
    To,
    dtype,
    flag,
    known_to,
    real,
    schedule,
    targets,
    whole,
)

RHYTHM = "tuiftune evaluates and logs on its own rhythm"
PLANNED = "the plan chooses it for the GPU at hand"
SHARDS = "the plan shards (FSDP2) where no copy fits on a GPU; to shard always: hardware.parallel: fsdp"
OWN_PLACE = "runs are written to tuiftune's own directory (--runs)"


_REPORTS = """
    logging_steps logging_strategy logging_first_step plot_loss eval_steps eval_strategy
    evaluation_strategy do_eval do_train per_device_eval_batch_size save_strategy
    load_best_model_at_end metric_for_best_model greater_is_better save_only_model
"""
_LOADING = """
    dataloader_num_workers dataloader_pin_memory dataset_num_proc preprocessing_num_workers
    overwrite_cache remove_unused_columns ddp_timeout ddp_find_unused_parameters
    use_fast_tokenizer
"""


def steps(value: object) -> int | None:
    """A number of steps; -1 and 0 mean none."""
    number = whole(value)
    return number if number > 0 else None


def positive(value: object) -> float | None:
    """A positive number; -1 and 0 mean unset."""
    number = real(value)
    return number if number > 0 else None


def deepspeed(value: object) -> None:
    """None where it is off. ValueError says what comes closest.

    Nothing is set: how many GPUs there are isn't in the file, and one alone has nothing to share.
    """
    if value in NEUTRAL:
        return
    said = json.dumps(value) if isinstance(value, dict) else str(value)
    found = re.search(r"z(?:ero)?(?:_?stage)?[_-]?([0-3])(?!\d)|\"stage\": ?\"?([0-3])", said.lower())
    stage = (found[1] or found[2]) if found else ""
    if stage in ("1", "2"):
        why = f"ZeRO-{stage} is hardware.parallel: zero2 here (several GPUs, full fine-tuning)"
    elif stage == "3" and "offload" in said.lower():
        why = "ZeRO-3 with offload is hardware.parallel: fsdp_offload here, which auto takes last"
    elif stage == "3":
        why = "ZeRO-3 is hardware.parallel: fsdp here (FSDP2); auto takes it where no copy fits on a GPU"
    else:
        why = "not read: hardware.parallel: zero2 divides states, fsdp shards the model"
    raise ValueError(why)


ARGUMENTS: Rules = {
    "trust_remote_code": To("model.trust_remote_code", flag),
    "model_revision": To("model.revision", str),
    "torch_dtype": To("model.dtype", dtype),
    "dtype": To("model.dtype", dtype),
    "lora_r": To("method.rank", whole),
    "lora_rank": To("method.rank", whole),
    "lora_alpha": To("method.alpha", whole),
    "lora_dropout": To("method.dropout", real),
    "lora_target_modules": To("method.target_modules", targets),
    "target_modules": To("method.target_modules", targets),
    "lora_modules_to_save": To("method.modules_to_save", list),
    "modules_to_save": To("method.modules_to_save", list),
    "max_length": To("data.max_length", whole),
    "max_seq_length": To("data.max_length", whole),
    "packing": To("data.packing", flag),
    "padding_free": To("data.padding_free", flag),
    "model_name_or_path": To("model.base", str),
    "use_liger_kernel": Moot(f"fused kernels: {PLANNED}"),
    "bnb_4bit_quant_type": Moot("4-bit base models are stored as NF4 here"),
    "learning_rate": To("training.learning_rate", real),
    "num_train_epochs": To("training.epochs", positive),
    "max_steps": To("training.max_steps", steps, "no limit there"),
    "lr_scheduler_type": To("training.schedule", schedule),
    "warmup_ratio": To("training.warmup_ratio", real),
    "weight_decay": To("training.weight_decay", real),
    "max_grad_norm": To("training.max_grad_norm", real),
    "optim": To("training.optimizer", str),
    "seed": To("training.seed", whole),
    "save_steps": To("run.save_every", steps),
    "save_total_limit": To("run.checkpoints", whole),
    "gradient_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "gradient_checkpointing_kwargs": Moot(f"activation checkpointing: {PLANNED}"),
    "torch_compile": To("training.compile", flag),
    "bf16": Moot(f"precision: {PLANNED} (bfloat16 where the GPU has it)"),
    "fp16": Moot(f"precision: {PLANNED}"),
    "tf32": Moot(f"precision: {PLANNED}"),
    "pure_bf16": Cannot("trained weights are kept in float32 here"),
    "output_dir": Moot(OWN_PLACE),
    "logging_dir": Moot(OWN_PLACE),
    "run_name": Moot("name the run with `tuiftune train --name`"),
    "overwrite_output_dir": Moot("tuiftune never overwrites a run"),
    "resume_from_checkpoint": Moot("`tuiftune resume` continues a run of tuiftune"),
    "push_to_hub": Cannot("tuiftune does not upload models by itself"),
    "hub_model_id": Cannot("tuiftune does not upload models by itself"),
    "deepspeed": To("hardware.parallel", deepspeed),
    "fsdp": Cannot(SHARDS),
    "fsdp_config": Cannot(SHARDS),
    "group_by_length": Moot("rows are packed or laid out without padding here"),
    "neftune_noise_alpha": Cannot("tuiftune has no NEFTune noise"),
    "label_smoothing_factor": Cannot("tuiftune has no label smoothing"),
    "adam_beta1": Cannot("tuiftune keeps the optimizer's own betas"),
    "adam_beta2": Cannot("tuiftune keeps the optimizer's own betas"),
    "adam_epsilon": Cannot("tuiftune keeps the optimizer's own epsilon"),
    "report_to": To("run.report_to", lambda value: trackers(value), "left out: none"),
    **dict.fromkeys(_REPORTS.split(), Moot(RHYTHM)),
    **dict.fromkeys(_LOADING.split(), Moot("tuiftune reads and tokenizes data its own way")),
}


def trackers(value: object) -> list[str] | None:
    """Experiment trackers by name; `none` and `all` are not names. ValueError: not one of ours."""
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []
    found = [str(name) for name in names if name not in ("none", "all", None)]
    known = experiments.every()
    if others := [name for name in found if name not in known]:
        raise ValueError(f"no tracker here: {', '.join(others)}; there are {', '.join(known)}")
    return found or None


def shared(tool: str = "") -> Rules:
    """The rules of shared keys; for a tool that takes any key in silence, only those that it knows."""
    known = known_to(tool)
    return {key: rule for key, rule in ARGUMENTS.items() if not known or key in known}
