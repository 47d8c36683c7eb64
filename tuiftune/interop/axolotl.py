"""Axolotl's YAML (0.19 to 0.21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop import objectives, unset
from tuiftune.interop.common import OWN_PLACE, PLANNED, RHYTHM, SHARDS, shared, steps
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    flag,
    over_four_bits,
    rate,
    real,
    schedule,
    shown,
    targets,
    warmup,
    whole,
)
from tuiftune.interop.rows import Source, evaluated, hub, put

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Rules

TOOL = "Axolotl"
PAIRS = {"field_chosen": "chosen", "field_rejected": "rejected"}
RATIO = "loraplus_lr_ratio"  # its key here, too
TYPES = {
    "alpaca": "instruction",
    "sharegpt": "sharegpt",
    "chat_template": "auto",
    "completion": "text",
    "oasst": "auto",
    "gpteacher": "instruction",
    "input_output": None,
    "context_qa": None,
    "bradley_terry": "auto",
}
ROWS = (  # keys of a dataset that are read, or only say where its rows lie
    "path", "type", "data_files", "ds_type", "name", "split", "revision", "field_messages", "field_chosen",
    "field_rejected", "text_column", "field",
    "preprocess_shards", "trust_remote_code",
)  # fmt: skip
USUAL_ROWS = {"roles_to_train": ["assistant"], "train_on_eos": "turn", "chat_template": "tokenizer_default"}
_KERNELS = """
    liger_rope liger_rms_norm liger_glu_activation liger_swiglu liger_layer_norm
    liger_cross_entropy liger_fused_linear_cross_entropy unsloth_cross_entropy_loss
    unsloth_lora_mlp unsloth_lora_qkv unsloth_lora_o unsloth_rms_norm unsloth_rope
"""
_TRACKERS = """
    wandb_entity wandb_watch wandb_name wandb_run_id wandb_log_model wandb_mode
    mlflow_experiment_name comet_project_name comet_workspace
"""
RULES: Rules = {
    "revision_of_model": To("model.revision", str),
    "sequence_len": To("data.max_length", whole),
    "sample_packing": To("data.packing", flag),
    "val_set_size": To("data.eval", real),
    "num_epochs": To("training.epochs", real),
    "lr_scheduler": To("training.schedule", schedule),
    "optimizer": To("training.optimizer", str),
    "early_stopping_patience": To("training.early_stopping", whole),
    "flash_attention": Moot(f"attention kernel: {PLANNED}"),
    "sdp_attention": Moot(f"attention kernel: {PLANNED}"),
    "xformers_attention": Moot(f"attention kernel: {PLANNED}"),
    "attn_implementation": Moot(f"attention kernel: {PLANNED}"),
    "eager_attention": Moot(f"attention kernel: {PLANNED}"),
    "torch_compile": To("training.compile", flag),
    "model_type": Moot("read from the model's config.json"),
    "tokenizer_type": Moot("read from the model's own files"),
    "tokenizer_config": Moot("the tokenizer of the base model is used"),
    "tokenizer_use_fast": Moot("the tokenizer of the base model is used"),
    "is_llama_derived_model": Moot("read from the model's config.json"),
    "strict": Moot("only concerns Axolotl"),
    "dataset_prepared_path": Moot("only concerns Axolotl"),
    "pad_to_sequence_len": Moot("rows are packed or laid out without padding here"),
    "eval_sample_packing": Moot(RHYTHM),
    "evals_per_epoch": Moot(RHYTHM),
    "saves_per_epoch": Moot("checkpoints are saved at least every 5 minutes or 2% of the steps"),
    "eval_table_size": Moot(RHYTHM),
    "eval_max_new_tokens": Moot(RHYTHM),
    "debug": Moot("only concerns Axolotl"),
    "output_dir": Moot(OWN_PLACE),
    "chat_template": Cannot("the base model's own chat template is used"),
    "chat_template_jinja": Cannot("the base model's own chat template is used"),
    "eot_tokens": Moot("the end of a turn is found from the template"),
    "activation_offloading": Moot(f"memory: {PLANNED}"),
    "tokens": Cannot("tuiftune adds no tokens to a vocabulary"),
    "added_tokens_overrides": Cannot("tuiftune adds no tokens to a vocabulary"),
    "resize_token_embeddings_to_32x": Cannot("tuiftune does not resize embeddings"),
    "lora_mlp_kernel": Moot(f"fused kernels: {PLANNED}"),
    "lora_qkv_kernel": Moot(f"fused kernels: {PLANNED}"),
    "lora_o_kernel": Moot(f"fused kernels: {PLANNED}"),
    "plugins": Moot(f"fused kernels: {PLANNED}; other plugins concern Axolotl only"),
    "fsdp_version": Cannot(SHARDS),
    "roundrobin_upload": Cannot("tuiftune does not upload models by itself"),
    "unfrozen_parameters": Cannot("tuiftune trains all weights or adapters"),
    "lora_model_dir": Cannot("tuiftune begins from a base model"),
    "hub_strategy": Cannot("tuiftune does not upload models by itself"),
    "relora_steps": Cannot("tuiftune has no ReLoRA"),
    "noisy_embedding_alpha": Cannot("tuiftune has no NEFTune noise"),
    "loss_watchdog_threshold": Moot("divergence is detected: training.divergence_patience"),
    "loss_watchdog_patience": Moot("divergence is detected: training.divergence_patience"),
    "save_safetensors": Moot("results are safetensors"),
    **dict.fromkeys(_KERNELS.split(), Moot(f"fused kernels: {PLANNED}")),
    **dict.fromkeys(_TRACKERS.split(), Moot("a tracker's own: use its environment variables")),
}
# What its `rl` is called here.
STAGES = {"dpo": "dpo", "ipo": "dpo", "kto": "kto", "orpo": "orpo", "simpo": "simpo", "grpo": "grpo"}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of Axolotl's."""
    return "base_model" in document and ("datasets" in document or "sequence_len" in document)


def read(transfer: Transfer) -> None:
    """Carry an Axolotl document over."""
    base = transfer.take("base_model")
    if base is not None:
        transfer.carry("base_model", base, "model.base")
    _technique(transfer)
    _data(transfer)
    special = transfer.take("special_tokens")
    if isinstance(special, dict) and set(special) <= {"pad_token"}:
        transfer.leave("special_tokens", special, "rows are not padded with tokens that count", "not needed")
    elif special:
        transfer.leave("special_tokens", special, "the base model's own special tokens are used")
    if transfer.left.get("chat_template") == "tokenizer_default":
        transfer.leave("chat_template", transfer.take("chat_template"), "it is here, too", "not needed")
    if (kind := transfer.word("rl")) not in (None, False):
        if (stage := STAGES.get(str(kind))) is None:
            transfer.leave("rl", kind, f"tuiftune has no {shown(kind)} stage")
            transfer.set("method.stage", str(kind))
        else:
            transfer.carry("rl", kind, "method.stage", stage)
        if kind == "ipo":
            transfer.set("method.loss_type", "ipo")
    if transfer.word("reward_model"):
        transfer.carry("reward_model", True, "method.stage", "reward")
    objectives.read(transfer, objectives.AXOLOTL)
    inputs = transfer.take("train_on_inputs")
    if transfer.get("method.stage") is None and transfer.get("data.format") == "text":
        why = "every token of a text is trained: continued pre-training"
        transfer.carry("datasets.type", "completion", "method.stage", "pretrain", why)
    elif inputs:
        transfer.carry("train_on_inputs", True, "data.loss_on", "all")
    _save(transfer)
    batch(transfer, "micro_batch_size", "gradient_accumulation_steps", 1)
    if (project := transfer.take("wandb_project")) not in (None, ""):
        transfer.carry("wandb_project", project, "run.report_to", ["wandb"], "set WANDB_PROJECT for the name")
    warmup(transfer)
    transfer.apply(shared("axolotl") | RULES)
    unset.fill(transfer, unset.AXOLOTL)
    unset.held_out(transfer, "val_set_size")
    rate(transfer)
    transfer.finish("axolotl")


def _technique(transfer: Transfer) -> None:
    nothing = "the plan chooses the technique"
    adapter, four, eight = (transfer.word(key) for key in ("adapter", "load_in_4bit", "load_in_8bit"))
    dora, rslora = transfer.take("peft_use_dora"), transfer.take("peft_use_rslora")
    ratio = transfer.take(RATIO)
    technique = {None: "full", "": "full", "lora": "lora", "qlora": "qlora"}.get(adapter)
    if technique is None:
        transfer.leave("adapter", adapter, f"tuiftune has no {shown(adapter)}; {nothing}")
    elif technique == "qlora" or (technique == "lora" and four):
        why = "" if technique == "qlora" else "LoRA over a 4-bit base model"
        marks = {"peft_use_rslora": rslora, RATIO: ratio, "peft_use_dora": dora}
        kinds = {"peft_use_rslora": "rslora", RATIO: "loraplus", "peft_use_dora": "dora"}
        chosen = {key: kinds[key] for key, value in marks.items() if value}
        over_four_bits(transfer, "adapter", adapter, chosen, ratio, why)
    elif technique == "lora" and (dora or rslora):
        named = "dora" if dora else "rslora"
        transfer.carry(f"peft_use_{named}", True, "method.technique", named)
    elif technique == "lora" and ratio:
        transfer.carry(RATIO, ratio, "method.technique", "loraplus")
        transfer.place(RATIO, ratio, To(f"method.{RATIO}", real))
    else:
        transfer.carry("adapter", adapter, "method.technique", technique)
    if four and adapter:
        transfer.leave("load_in_4bit", four, "so is the base model of QLoRA", "not needed")
    if eight:
        transfer.leave("load_in_8bit", eight, "tuiftune has no 8-bit base: 16-bit, or 4-bit with qlora")
    linear, modules = transfer.take("lora_target_linear"), transfer.take("lora_target_modules")
    if linear:  # Axolotl adds these to the modules that are named
        transfer.carry("lora_target_linear", linear, "method.target_modules", "all-linear")
        if modules:
            transfer.leave("lora_target_modules", modules, "all linear layers get adapters", "not needed")
    elif modules:
        transfer.place("lora_target_modules", modules, To("method.target_modules", targets))


def _data(transfer: Transfer) -> None:
    sources = []
    for key in ("datasets", "pretraining_dataset"):
        found = transfer.take(key)
        for entry in found if isinstance(found, list) else [found] if found else []:
            row = entry if isinstance(entry, dict) else {"path": entry}
            sources.append(_source(key, row))
    put(transfer, sources, "data.train")
    held_out = transfer.take("test_datasets")
    if isinstance(held_out, list):
        evaluated(transfer, [_source("test_datasets", row) for row in held_out if isinstance(row, dict)])


def _source(key: str, row: dict[str, Any]) -> Source:
    kind = row.get("type")
    name = kind if isinstance(kind, str) else None
    files = row.get("data_files")
    path = files if files else row.get("path")
    left = {str(one): value for one, value in row.items() if _counts(str(one), value)}
    columns: dict[str, str] = {}
    if isinstance(kind, dict):  # a prompt of the user's own: its fields name the columns
        roles = {"field_instruction": "instruction", "field_input": "input", "field_output": "output"}
        columns = {role: str(kind[field]) for field, role in roles.items() if kind.get(field)}
        form: str | None = "instruction" if columns else None
        left |= {f"type.{one}": value for one, value in kind.items() if value and one not in roles}
    else:
        form = TYPES.get((name or "chat_template").split(".")[0].split(":")[0])
    if pairs := {role: str(row[field]) for field, role in PAIRS.items() if row.get(field)}:
        columns |= pairs | ({"prompt": str(row["field_messages"])} if row.get("field_messages") else {})
    elif "field_messages" in row:
        columns["messages"] = str(row["field_messages"])
    if key == "pretraining_dataset" or name == "completion":
        form, field = "text", row.get("text_column") or row.get("field")
        columns = {"text": str(field)} if field else {}
    shape = None if form is not None else f"type {shown(kind)}: the rows' format is detected"
    told = [one for one in ("name", "split", "revision") if row.get(one)]
    if files or not isinstance(path, str):
        left |= {one: row[one] for one in told if (one, row[one]) != ("split", "train")}
    else:
        path, without = hub(path, row.get("name"), row.get("split"), row.get("revision"))
        left |= {one: row[one] for one in without}
    return Source(key, path, form or "auto", columns, shape, left)


def _counts(key: str, value: Any) -> bool:
    """Whether a key of a dataset changes what is trained on, and has no counterpart here."""
    if key == "message_property_mappings":
        return not (isinstance(value, dict) and {*value.values()} <= {"role", "content", "from", "value"})
    if key.startswith("message_field_"):
        return value not in ("role", "content", "from", "value")
    usual = USUAL_ROWS.get(key)
    return bool(value) and key not in ROWS and value != usual and [value] != usual


def _save(transfer: Transfer) -> None:
    every = transfer.take("save_steps")
    if isinstance(every, float) and every < 1:
        transfer.leave("save_steps", every, "a share of the steps: the plan chooses the rhythm")
    elif every is not None:
        transfer.place("save_steps", every, To("run.save_every", steps))
